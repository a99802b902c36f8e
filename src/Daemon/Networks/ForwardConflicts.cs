using System.Globalization;
using System.Net;
using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>No two forwards take the same port of the same address, and none takes one from a program of the node.</summary>
internal static class ForwardConflicts
{
    /// <param name="forwards">Of one network.</param>
    /// <exception cref="Refusal"><c>forward.conflicts</c></exception>
    public static void Demand(IReadOnlyList<Forward> forwards, IReadOnlyList<StoredNetwork> others)
    {
        var theirs = others.SelectMany(n => n.Forwards.Select(f => (Forward: f, Network: n.Name))).ToList();
        foreach (var (number, forward) in forwards.Index())
        {
            if (forwards.Take(number).FirstOrDefault(f => Overlap(f, forward)) is { } own)
            {
                throw ForwardErrors.Conflicts(Said(forward), $"the forward {Said(own)} to '{own.Instance}'");
            }

            if (theirs.FirstOrDefault(t => Overlap(t.Forward, forward)) is { Forward: not null } other)
            {
                throw ForwardErrors.Conflicts(Said(forward), $"the forward {Said(other.Forward)} to '{other.Forward.Instance}' on '{other.Network}'");
            }
        }
    }

    /// <exception cref="Refusal"><c>forward.conflicts</c></exception>
    public static void DemandFree(Forward forward, IReadOnlyList<(TransportProtocol Protocol, IPAddress Address, int Port)> listeners)
    {
        var ports = PortRange.Parse(forward.HostPorts);
        foreach (var listener in listeners)
        {
            if (listener.Protocol == forward.Protocol && ports.Contains(listener.Port) && IsReachable(listener.Address)
                && (forward.HostAddresses is null || IsAny(listener.Address) || forward.HostAddresses.Any(a => IPAddress.Parse(a).Equals(listener.Address))))
            {
                throw ForwardErrors.Conflicts(Said(forward), string.Create(CultureInfo.InvariantCulture, $"a program of the node that listens on {new IPEndPoint(listener.Address, listener.Port)}"));
            }
        }
    }

    private static bool Overlap(Forward one, Forward other)
    {
        return one.Protocol == other.Protocol && PortRange.Parse(one.HostPorts).Overlaps(PortRange.Parse(other.HostPorts))
            && (one.HostAddresses is null || other.HostAddresses is null || one.HostAddresses.Intersect(other.HostAddresses).Any());
    }

    private static string Said(Forward forward) =>
        $"{forward.Protocol.ToString().ToLowerInvariant()} {(forward.HostAddresses is { } addresses ? $"{string.Join(", ", addresses)} " : "")}port {forward.HostPorts}";

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    /// <summary>A forward of all addresses takes connections to 127.0.0.0/8 too; only the loopback address of IPv6 is left to the programs of the node.</summary>
    private static bool IsReachable(IPAddress address) => !address.Equals(IPAddress.IPv6Loopback);
}
