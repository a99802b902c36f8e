using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>From what was asked for to what a network is made with: all that was left out filled in.</summary>
internal sealed class NetworkPlan(NetworkStore store, LocalNode node)
{
    private const int SubnetBits = 24;

    /// <summary>Subnets are looked for from here on, away from what home routers and clouds begin with.</summary>
    private const int FirstTried = (77 << 16) | (0 << 8);

    /// <exception cref="Refusal"><c>network.subnet_overlaps</c>, <c>network.no_free_subnet</c></exception>
    public async Task<NetworkSettings> ResolveAsync(NetworkSettings wanted, CancellationToken ct)
    {
        var kind = wanted.Kind ?? NetworkKind.Nat;
        var ours = kind is NetworkKind.Nat or NetworkKind.Isolated;
        var taken = ours ? await TakenAsync(ct) : [];
        return wanted with
        {
            Kind = kind,
            Labels = wanted.Labels ?? new Dictionary<string, string>(),
            Domain = wanted.Domain ?? $"{wanted.Name}.gantry",
            Ipv4 = ours ? Settle(wanted.Ipv4, taken, FreeIpv4) : null,
            Ipv6 = ours ? Settle(wanted.Ipv6, taken, FreeIpv6) : null,
            Ipv6Mode = wanted.Ipv6Mode ?? Ipv6Mode.Dhcp,
            HostAccess = wanted.HostAccess ?? false,
            Defaults = wanted.Defaults ?? new(),
        };
    }

    /// <summary>Again, with the others as the transaction sees them: two networks that are made at once must not overlap.</summary>
    /// <exception cref="Refusal"><c>network.subnet_overlaps</c></exception>
    public static void DemandApart(NetworkSettings settings, IReadOnlyList<StoredNetwork> others)
    {
        var taken = others.Where(o => o.Name != settings.Name).SelectMany(SubnetsOf).ToList();
        foreach (var subnet in (string?[])[settings.Ipv4, settings.Ipv6])
        {
            if (subnet is not null)
            {
                DemandApart(Subnet.Parse(subnet), taken);
            }
        }
    }

    private static string? Settle(string? wanted, List<(Subnet Subnet, string Whose)> taken, Func<List<(Subnet Subnet, string Whose)>, Subnet> free)
    {
        if (wanted == NetworkRules.None)
        {
            return null;
        }

        var subnet = wanted is null ? free(taken) : Subnet.Parse(wanted);
        DemandApart(subnet, taken);
        return subnet.ToString();
    }

    private static void DemandApart(Subnet subnet, List<(Subnet Subnet, string Whose)> taken)
    {
        if (taken.FirstOrDefault(t => t.Subnet.Overlaps(subnet)) is { Whose: not null } other)
        {
            throw NetworkErrors.Overlaps(subnet.ToString(), other.Subnet.ToString(), other.Whose);
        }
    }

    private static Subnet FreeIpv4(List<(Subnet Subnet, string Whose)> taken)
    {
        const int all = 1 << SubnetBits; // the addresses of 10.0.0.0/8
        for (var tried = 0; tried < all; tried += 256)
        {
            var at = (FirstTried + tried) % all;
            var subnet = new Subnet(new([10, (byte)(at >> 16), (byte)(at >> 8), 1]), SubnetBits);
            if (!taken.Any(t => t.Subnet.Overlaps(subnet)))
            {
                return subnet;
            }
        }

        throw NetworkErrors.NoFreeSubnet;
    }

    /// <summary>A prefix that nobody else is likely to have (RFC 4193, section 3.2).</summary>
    private static Subnet FreeIpv6(List<(Subnet Subnet, string Whose)> taken)
    {
        while (true)
        {
            byte[] address = [0xfd, .. RandomNumberGenerator.GetBytes(5), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
            var subnet = new Subnet(new(address), 64);
            if (!taken.Any(t => t.Subnet.Overlaps(subnet)))
            {
                return subnet;
            }
        }
    }

    private async Task<List<(Subnet Subnet, string Whose)>> TakenAsync(CancellationToken ct) =>
    [
        .. (await store.AllAsync(ct)).SelectMany(SubnetsOf),
        .. (await node.Networks.HostSubnetsAsync(ct)).Select(s => (Subnet.Parse(s), "this node")),
    ];

    private static IEnumerable<(Subnet Subnet, string Whose)> SubnetsOf(StoredNetwork network) =>
        ((string?[])[network.Settings.Ipv4, network.Settings.Ipv6]).OfType<string>().Select(s => (Subnet.Parse(s), $"the network '{network.Name}'"));
}
