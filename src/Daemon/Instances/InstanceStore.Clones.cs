using Dapper;
using Gantry.Contracts;
using Npgsql;

namespace Gantry.Daemon.Instances;

/// <summary>What clones stand on, and who has to stay because of them.</summary>
internal sealed partial class InstanceStore
{
    private const int ClonesNamed = 5;

    /// <summary>Null where an instance stands alone.</summary>
    public Task<CloneTie?> TieAsync(Id<Instance> id, CancellationToken ct) => db.WithAsync(async connection =>
        await connection.QueryFirstOrDefaultAsync<TieRow>(new CommandDefinition("select source, snapshot, own, linked from clones where instance = @Value", id, cancellationToken: ct)) is { } row
            ? new CloneTie(new(row.source), new(row.snapshot), row.own, row.linked) : null, ct);

    /// <summary>Keeps the source of a clone and the snapshot. The rows of both instances are there; the source's is locked.</summary>
    public async Task TieAsync(NpgsqlTransaction transaction, Id<Instance> clone, CloneTie tie)
    {
        Touch(transaction);
        await transaction.Connection!.ExecuteAsync(
            "insert into clones (instance, source, snapshot, own, linked) values (@Instance, @Source, @Snapshot, @Own, @Linked)",
            new { Instance = clone.Value, Source = tie.Source.Value, Snapshot = tie.Snapshot.Value, tie.Own, tie.Linked }, transaction);
    }

    /// <summary>Lets go of what a clone was made of.</summary>
    public async Task UntieAsync(NpgsqlTransaction transaction, Id<Instance> clone)
    {
        Touch(transaction);
        await transaction.Connection!.ExecuteAsync(
            "delete from clones where instance = @Id; update instances set updated_at = @At, version = version + 1 where id = @Id", new { Id = clone.Value, At = time.GetUtcNow() }, transaction);
    }

    /// <summary>Refuses what would take away what clones stand on.</summary>
    /// <param name="what">That is to go, as <c>the snapshot 's1'</c>.</param>
    /// <param name="snapshot">Only those of this one; null for all of the instance.</param>
    /// <exception cref="Refusal"><c>clone.stands_on_it</c></exception>
    public static async Task DemandNoClonesAsync(NpgsqlTransaction transaction, Id<Instance> id, string what, Id<Snapshot>? snapshot = null)
    {
        var clones = (await transaction.Connection!.QueryAsync<(string Name, bool Linked)>("""
            select i.name, c.linked from clones c join instances i on i.id = c.instance
            where c.source = @Id and (@Snapshot::uuid is null or c.snapshot = @Snapshot) order by i.name collate "C"
            """, new { Id = id.Value, Snapshot = snapshot?.Value }, transaction)).ToList();
        if (clones.Count > 0)
        {
            throw InstanceErrors.HasClones(what, [.. clones.Take(ClonesNamed).Select(c => c.Name)], clones.Count, clones.Any(c => c.Linked));
        }
    }

    /// <summary>Refuses to start what is only there to be cloned.</summary>
    /// <exception cref="Refusal"><c>instance.is_template</c></exception>
    public static async Task DemandNoTemplateAsync(NpgsqlTransaction transaction, Id<Instance> id, string name)
    {
        if (await transaction.Connection!.ExecuteScalarAsync<bool>("select is_template from instances where id = @Value", id, transaction))
        {
            throw InstanceErrors.IsTemplate(name);
        }
    }

    /// <summary>The instance that has a NIC of that MAC; null where none has.</summary>
    public static Task<string?> WithMacAsync(NpgsqlTransaction transaction, string mac, Id<Instance> but) => transaction.Connection!.QueryFirstOrDefaultAsync<string?>(
        "select name from instances where not deleted and id <> @but and machine -> 'nics' @> jsonb_build_array(jsonb_build_object('mac', @mac)) limit 1", new { mac, but = but.Value }, transaction);

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record TieRow(Guid source, Guid snapshot, bool own, bool linked);
#pragma warning restore IDE1006
}
