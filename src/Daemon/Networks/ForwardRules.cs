using System.Net;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>What a forward must keep to by itself.</summary>
internal static class ForwardRules
{
    private const int MostAddresses = 16;

    public static IEnumerable<Fault> Faults(CreateForward forward)
    {
        foreach (var fault in (IEnumerable<Fault>)
        [
            .. TextRules.Name("$.instance", forward.Instance), .. forward.Nic is null ? [] : TextRules.Name("$.nic", forward.Nic, Limits.NicNameLength), .. TextRules.Description(forward.Description),
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

        if (forward.HostAddresses is { Count: 0 or > MostAddresses })
        {
            yield return new("$.hostAddresses", $"give 1 to {MostAddresses}, or leave it out for all");
        }

        foreach (var (number, text) in (forward.HostAddresses ?? []).Index())
        {
            if (!Subnet.TryParseAddress(text, out var address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))
            {
                yield return new($"$.hostAddresses[{number}]", "it is no address of the host");
            }
        }
    }
}
