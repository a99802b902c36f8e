using System.Net;
using System.Net.Sockets;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>What a forward must keep to by itself, each fault by its JSON path. Whether its ports are free is not known here.</summary>
internal static class ForwardRules
{
    public static IEnumerable<Fault> Faults(Forward forward)
    {
        if (!Enum.IsDefined(forward.Protocol))
        {
            yield return new("$.protocol", "it is neither tcp nor udp");
        }

        foreach (var fault in (IEnumerable<Fault>)
            [.. OfAddresses(forward.HostAddresses), .. OfPorts(forward), .. TextRules.Name("$.instance", forward.Instance),
             .. forward.Nic is { } nic ? TextRules.Name("$.nic", nic, Limits.NicNameLength) : [], .. TextRules.Description(forward.Description)])
        {
            yield return fault;
        }
    }

    private static IEnumerable<Fault> OfPorts(Forward forward)
    {
        if (!PortRange.TryParse(forward.HostPorts, out var ports))
        {
            yield return new("$.hostPorts", "it is no port from 1 to 65535 such as 8080, and no range such as 8000-8099");
            yield break;
        }

        if (forward.InstancePort is not { } first)
        {
            yield break;
        }

        if (first < 1 || first + ports.Count - 1 > ushort.MaxValue)
        {
            yield return new("$.instancePort", $"the {ports.Count} ports from {first} on are not all from 1 to 65535");
        }
        else if (first != ports.First && ports.Count > Limits.ForwardTranslatedPorts)
        {
            yield return new("$.instancePort", $"of a range of {ports.Count} ports, more than {Limits.ForwardTranslatedPorts}, the guest's ports are the same as the host's");
        }
    }

    private static IEnumerable<Fault> OfAddresses(IReadOnlyList<string>? addresses)
    {
        if (addresses is { Count: 0 or > Limits.ForwardAddresses })
        {
            return [new("$.hostAddresses", addresses.Count == 0 ? "it is empty; leave it out for all addresses" : $"{addresses.Count} are more than {Limits.ForwardAddresses}")];
        }

        return (addresses ?? []).Index().Select(a => (a.Index, Wrong: OfAddress(a.Item, addresses!.Take(a.Index)))).Where(a => a.Wrong is not null)
            .Select(a => new Fault($"$.hostAddresses[{a.Index}]", a.Wrong!));
    }

    private static string? OfAddress(string text, IEnumerable<string> before) =>
        !AddressRange.TryParseAddress(text, out var address) ? "it is no address such as 192.0.2.1 or 2001:db8::1"
        : address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) ? "leave the addresses out for all of the node's"
        : address.Equals(IPAddress.IPv6Loopback) ? "the loopback address of IPv6 cannot be forwarded from; 127.0.0.1 can"
        : address.IsIPv6LinkLocal || address.IsIPv6Multicast || (address.AddressFamily == AddressFamily.InterNetwork && address.GetAddressBytes()[0] >= 224) ? "it is no address of one machine that others reach"
        : before.Any(b => AddressRange.TryParseAddress(b, out var other) && other.Equals(address)) ? "it is there twice"
        : null;
}
