using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>Networks and NICs as tests need them.</summary>
internal static class NetworkSamples
{
    /// <summary>Always the same, so that golden files know its devices.</summary>
    public static readonly Id<Network> Id = Id<Network>.Parse("019a8b1c-0000-7000-8000-000000000001");

    public static NetworkSpec Nat(int number = 77) => new(Id<Network>.New(), $"net{number}", NetworkKind.Nat, $"net{number}.gantry")
    {
        Ipv4 = $"10.{number}.0.1/24",
        Ipv6 = $"fd42:{number}::1/64",
    };

    /// <param name="last">Of its addresses and its MAC.</param>
    public static NicAddress Nic(this NetworkSpec network, string instance, int last, string nic = "eth0") => new(
        Id<Instance>.New(), instance, nic, $"52:54:00:00:00:{last:x2}",
        network.Ipv4 is { } ipv4 ? $"{ipv4[..ipv4.LastIndexOf('.')]}.{last}" : null,
        network.Ipv6 is not { } ipv6 ? null
        : network.Ipv6Mode == Ipv6Mode.Slaac ? $"{Subnet.Parse(ipv6).Eui64($"52:54:00:00:00:{last:x2}")}"
        : $"{ipv6.Split("::")[0]}::{last:x}",
        true, new Dictionary<string, string>());

    public static NetworkSpec With(this NetworkSpec network, params NicAddress[] nics) => network with { Addresses = nics };
}
