using System.Net;
using System.Net.Sockets;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>What a forward must keep to by itself.</summary>
internal static class ForwardRules
{
    private const int MostAddresses = 16;
    private const int FirstMulticast = 224; // RFC 5771; what is above is reserved or means everybody

    public static IEnumerable<Fault> Faults(CreateForward forward)
    {
        foreach (var fault in (IEnumerable<Fault>)
        [
            .. TextRules.Name("$.instance", forward.Instance), .. forward.Nic is null ? [] : TextRules.Name("$.nic", forward.Nic, Limits.NicNameLength),
            .. TextRules.Description(forward.Description),
        ])
        {
            yield return fault;
        }

        if (!PortRange.TryParse(forward.HostPorts, out var ports))
        {
            yield return new("$.hostPorts", "it is no port and no range, such as 80 or 8000-8099");
        }
        else if (forward.InstancePort is { } first && (first < 1 || first + ports.Count - 1 > ushort.MaxValue))
        {
            yield return new("$.instancePort", $"{ports.Count} ports from {first} on are not all from 1 to {ushort.MaxValue}");
        }
        else if (forward.InstancePort is { } other && other != ports.First && ports.Count > Limits.ForwardTranslatedPorts)
        {
            yield return new("$.instancePort", $"of a range of {ports.Count} ports, more than {Limits.ForwardTranslatedPorts}, the guest's are the same as the host's");
        }

        if (forward.HostAddresses is { Count: 0 or > MostAddresses })
        {
            yield return new("$.hostAddresses", $"give 1 to {MostAddresses}, or leave it out for all");
        }

        foreach (var (number, text) in (forward.HostAddresses ?? []).Index())
        {
            if (WrongWith(text, forward.HostAddresses!.Take(number)) is { } wrong)
            {
                yield return new($"$.hostAddresses[{number}]", wrong);
            }
        }
    }

    private static string? WrongWith(string text, IEnumerable<string> before) =>
        !Subnet.TryParseAddress(text, out var address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) ? "it is no address of the host"
        : address.Equals(IPAddress.IPv6Loopback) ? "the kernel forwards nothing from the loopback address of IPv6; 127.0.0.1 can be had"
        : address.IsIPv6LinkLocal || address.IsIPv6Multicast || (address.AddressFamily == AddressFamily.InterNetwork && address.GetAddressBytes()[0] >= FirstMulticast)
            ? "it is no address by which one host is reached"
        : before.Any(b => Subnet.TryParseAddress(b, out var other) && other.Equals(address)) ? "it is there twice"
        : null;
}
