using System.Net;
using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Networks;
using Npgsql;

namespace Gantry.Daemon.Networks;

/// <summary>The table of what NICs were allotted.</summary>
internal sealed class AddressStore(Db db, NetworkStore networks)
{
    private const string Columns = """
        a.instance, i.name, a.nic, a.mac, host(a.ipv4) as ipv4, host(a.ipv6) as ipv6, a.is_static, i.labels
        from addresses a join instances i on i.id = a.instance
        """;

    /// <summary>In the order of instances and NICs.</summary>
    public Task<IReadOnlyList<NicAddress>> OfAsync(Id<Network> network, CancellationToken ct) => db.WithAsync<IReadOnlyList<NicAddress>>(async connection =>
        [.. (await connection.QueryAsync<Row>(new CommandDefinition(
            $"""select {Columns} where a.network = @Value order by i.name collate "C", a.nic collate "C" """, network, cancellationToken: ct))).Select(FromRow)], ct);

    /// <summary>Names of instances with a NIC on a network, at most a few of them, and how many there are.</summary>
    public static async Task<(IReadOnlyList<string> Names, int Count)> UsersAsync(NpgsqlTransaction transaction, Id<Network> network, int most)
    {
        var names = (await transaction.Connection!.QueryAsync<string>(
            """select distinct i.name collate "C" as name from addresses a join instances i on i.id = a.instance where a.network = @Value order by name""", network, transaction)).ToList();
        return ([.. names.Take(most)], names.Count);
    }

    /// <summary>Gives a NIC the addresses it asks for, or free ones. The instance's row must be there.</summary>
    /// <param name="nic">With its MAC.</param>
    /// <returns>The NIC with its addresses.</returns>
    /// <exception cref="Refusal"><c>network.*</c></exception>
    public async Task<Nic> AllotAsync(NpgsqlTransaction transaction, Id<Network> id, Id<Instance> instance, Nic nic)
    {
        var network = await networks.LockAsync(transaction, id) is { IsReady: true } ready ? ready : throw NetworkErrors.NotReady(nic.Network ?? id.ToString());
        var taken = (await transaction.Connection!.QueryAsync<Row>($"select {Columns} where a.network = @Value", id, transaction)).Select(FromRow).ToList();
        if (taken.FirstOrDefault(t => t.Mac == nic.Mac) is { } same)
        {
            throw NetworkErrors.MacTaken(network.Name, same.Mac, $"{same.Nic} of {same.Instance}");
        }

        var ipv4 = Choose(network, network.Settings.Ipv4, nic.Address, taken, t => t.Ipv4, (subnet, all) => subnet.LowestFree(all) ?? throw NetworkErrors.NoFreeAddress(network.Name, subnet.ToString()));
        var ipv6 = Choose(network, network.Settings.Ipv6, nic.Address6, taken, t => t.Ipv6, (subnet, _) => subnet.Eui64(nic.Mac!));
        await transaction.Connection!.ExecuteAsync("""
            insert into addresses (network, instance, nic, mac, ipv4, ipv6, is_static) values (@Network, @Instance, @Name, @Mac, @Ipv4::inet, @Ipv6::inet, @Static)
            """,
            new
            {
                Network = id.Value,
                Instance = instance.Value,
                nic.Name,
                nic.Mac,
                Ipv4 = ipv4?.ToString(),
                Ipv6 = ipv6?.ToString(),
                Static = (nic.Address ?? nic.Address6) is not null,
            }, transaction);
        await networks.TouchAsync(transaction, id);
        return nic with { Address = ipv4?.ToString(), Address6 = ipv6?.ToString() };
    }

    /// <summary>Takes back what a NIC was allotted.</summary>
    public async Task ReleaseAsync(NpgsqlTransaction transaction, Id<Instance> instance, string nic)
    {
        await networks.TouchOfAsync(transaction, instance);
        await transaction.Connection!.ExecuteAsync("delete from addresses where instance = @Instance and nic = @nic", new { Instance = instance.Value, nic }, transaction);
    }

    private static IPAddress? Choose(
        StoredNetwork network, string? subnet, string? wanted, List<NicAddress> taken, Func<NicAddress, string?> address, Func<Subnet, IReadOnlySet<IPAddress>, IPAddress> free)
    {
        if (subnet is null)
        {
            return wanted is null ? null : throw NetworkErrors.AddressOutside(network.Name, wanted, null);
        }

        var within = Subnet.Parse(subnet);
        if (wanted is null)
        {
            return free(within, taken.Select(address).OfType<string>().Select(IPAddress.Parse).ToHashSet());
        }

        var asked = IPAddress.Parse(wanted);
        return !within.CanBeGuest(asked) ? throw NetworkErrors.AddressOutside(network.Name, wanted, subnet)
            : taken.FirstOrDefault(t => address(t) is { } other && IPAddress.Parse(other).Equals(asked)) is { } owner
                ? throw NetworkErrors.AddressTaken(network.Name, wanted, $"{owner.Nic} of {owner.Instance}") : asked;
    }

    private static NicAddress FromRow(Row row) => new(
        new(row.instance), row.name, row.nic, row.mac, row.ipv4, row.ipv6, row.is_static,
        JsonSerializer.Deserialize<IReadOnlyDictionary<string, string>>(row.labels, WireJson.Default.Options)!);

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(Guid instance, string name, string nic, string mac, string? ipv4, string? ipv6, bool is_static, string labels);
#pragma warning restore IDE1006
}
