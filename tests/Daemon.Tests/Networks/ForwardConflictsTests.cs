using System.Net;
using Gantry.Contracts;
using Gantry.Daemon.Networks;

namespace Gantry.Daemon.Tests.Networks;

/// <summary>A forward takes no port from a program of the node.</summary>
public class ForwardConflictsTests
{
    [Theory]
    [InlineData("0.0.0.0", 8080, null, false)]
    [InlineData("::", 8080, "192.0.2.1", false)]
    [InlineData("127.0.0.1", 8080, null, false)] // its clients on the node would come to the guest
    [InlineData("127.0.0.1", 8080, "192.0.2.1", true)]
    [InlineData("192.0.2.1", 8080, "192.0.2.1", false)]
    [InlineData("192.0.2.2", 8080, "192.0.2.1", true)]
    [InlineData("::1", 8080, null, true)]
    [InlineData("0.0.0.0", 8090, null, true)]
    public void A_port_is_free_when_no_program_listens_where_the_forward_does(string listens, int port, string? hostAddress, bool free)
    {
        var forward = new Forward { Id = Id<Forward>.New(), Protocol = TransportProtocol.Tcp, HostPorts = "8080-8089", Instance = "web", HostAddresses = hostAddress is null ? null : [hostAddress] };
        void Demand() => ForwardConflicts.DemandFree(forward, [(TransportProtocol.Udp, IPAddress.Any, 8080), (TransportProtocol.Tcp, IPAddress.Parse(listens), port)]);

        if (free)
        {
            Should.NotThrow(Demand);
        }
        else
        {
            Should.Throw<Refusal>(Demand).Code.ShouldBe("forward.conflicts");
        }
    }
}
