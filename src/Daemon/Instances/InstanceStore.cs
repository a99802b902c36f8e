using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Images;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Node.Instances;
using Npgsql;

namespace Gantry.Daemon.Instances;

/// <summary>The table of instances.</summary>
internal sealed partial class InstanceStore(Db db, NodeIdentity node, InstancePages pages, TimeProvider time)
{
    private const string Columns = """
        i.id, i.name, i.kind, i.driver, m.name as image, i.node, i.cpus, i.memory_bytes, i.description, i.labels, i.boot, i.auto_start, i.machine,
        i.max_cpus, i.max_memory_bytes, i.pending_cpus, i.pending_memory_bytes, i.pending_reason,
        case when i.cloud_init is not null then i.cloud_init_number end as cloud_init_number,
        i.is_template, i.state, i.state_since, i.state_reason, i.stop_cause, i.pause_cause, i.created_at, i.updated_at, i.version,
        p.id as parent_id, p.name as parent_name, ps.name as parent_snapshot
        from instances i left join images m on m.id = i.image
            left join clones c on c.instance = i.id and c.linked left join instances p on p.id = c.source left join snapshots ps on ps.id = c.snapshot
        """;

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("i.name"),
        ["state"] = FilterField.Word<InstanceState>("i.state"),
        ["stopCause"] = FilterField.Word<StopCause>("i.stop_cause"),
        ["pauseCause"] = FilterField.Word<PauseCause>("i.pause_cause"),
        ["kind"] = FilterField.Word<InstanceKind>("i.kind"),
        ["driver"] = FilterField.Text("i.driver"),
        ["image"] = FilterField.Text("m.name"),
        ["cpus"] = FilterField.Number("i.cpus"),
        ["memoryBytes"] = FilterField.Number("i.memory_bytes"),
    };

    public Task<Page<Instance>> ListAsync(Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var parameters = new DynamicParameters(new { After = paging.After ?? "", Take = paging.Limit + 1 });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters, label: key => $"i.labels ->> @{key}");
        var rows = await connection.QueryAsync<Row>(new CommandDefinition($"""
            select {Columns}
            where not i.deleted and i.name collate "C" > @After and {filter}
            order by i.name collate "C" limit @Take
            """, parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(ToWire)], i => i.Name);
    }, ct);

    /// <param name="nameOrId">A name, or the id.</param>
    /// <exception cref="Refusal"><c>instance.unknown</c></exception>
    public async Task<Instance> GetAsync(string nameOrId, CancellationToken ct)
    {
        var id = Id<Instance>.TryParse(nameOrId, null, out var parsed) ? parsed.Value : (Guid?)null;
        if (id is null && !Limits.IsName(nameOrId))
        {
            throw InstanceErrors.Unknown(nameOrId);
        }

        var row = await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition($"""
            select {Columns} where not i.deleted and (i.id = @id or (@id::uuid is null and i.name collate "C" = @nameOrId))
            """, new { id, nameOrId }, cancellationToken: ct)), ct);
        return row is null ? throw InstanceErrors.Unknown(nameOrId) : ToWire(row);
    }

    public Task<bool> IsTakenAsync(string name, CancellationToken ct) => db.WithAsync(connection => connection.ExecuteScalarAsync<bool>(new CommandDefinition(
        """select exists (select from instances where not deleted and name collate "C" = @name)""", new { name }, cancellationToken: ct)), ct);

    /// <summary>Every instance of this node that is listed, with its state.</summary>
    public Task<IReadOnlyList<Instance>> OfThisNodeAsync(CancellationToken ct) => db.WithAsync<IReadOnlyList<Instance>>(async connection =>
        [.. (await connection.QueryAsync<Row>(new CommandDefinition($"select {Columns} where not i.deleted and i.node = @Node", new { Node = node.Id.Value }, cancellationToken: ct))).Select(ToWire)], ct);

    /// <exception cref="Refusal"><c>instance.name_taken</c></exception>
    public async Task InsertAsync(NpgsqlTransaction transaction, InstanceSpec spec, InstanceDetails details)
    {
        Touch(transaction);
        var images = (spec.Volumes ?? []).Select(v => v.Image).Append(details.Image).OfType<Id<Image>>().Distinct().ToList();
        foreach (var image in images)
        {
            await ImageStore.LockAsync(transaction, image);
        }

        var now = time.GetUtcNow();
        var inserted = await transaction.Connection!.ExecuteAsync("""
            insert into instances (id, name, kind, driver, image, node, cpus, memory_bytes, max_cpus, max_memory_bytes, description, labels, boot, auto_start, machine,
                                   cloud_init, cloud_init_last, state, state_since, created_at, updated_at)
            values (@Id, @Name, @Kind, @Driver, @Image, @Node, @Cpus, @MemoryBytes, @MaxCpus, @MaxMemoryBytes, @Description, @Labels::jsonb, @Boot::jsonb, @AutoStart, @Machine::jsonb,
                    @CloudInit::jsonb, @CloudInitLast, @State, @now, @now, @now)
            on conflict do nothing
            """, new
        {
            Id = spec.Id.Value,
            spec.Name,
            Kind = (short)spec.Kind,
            spec.Driver,
            Image = details.Image?.Value,
            Node = node.Id.Value,
            spec.Cpus,
            spec.MemoryBytes,
            spec.MaxCpus,
            spec.MaxMemoryBytes,
            details.Description,
            Labels = Json(details.Labels),
            Boot = Json(details.Boot),
            details.AutoStart,
            Machine = Json(details.Machine ?? new()),
            CloudInit = spec.CloudInit is null ? null : Json(spec.CloudInit.Settings),
            CloudInitLast = spec.CloudInit?.Number ?? 0,
            State = (short)InstanceState.Creating,
            now,
        }, transaction);
        if (inserted == 0)
        {
            throw InstanceErrors.NameTaken(spec.Name);
        }

        foreach (var pool in (spec.Volumes ?? []).Select(v => v.Pool).OfType<Id<Pool>>().Distinct())
        {
            await PoolStore.UseAsync(transaction, spec.Id, pool);
        }

        foreach (var image in images)
        {
            await UseImageAsync(transaction, spec.Id, image);
        }
    }

    /// <summary>Locks the row until the transaction ends and says how it stands; null when it is gone.</summary>
    public async Task<InstanceState?> LockAsync(NpgsqlTransaction transaction, Id<Instance> id) =>
        (InstanceState?)await transaction.Connection!.QuerySingleOrDefaultAsync<short?>(
            "select state from instances where id = @Value and not deleted for update", id, transaction);

    /// <summary>
    /// False when it was so already. What was stored for the next start is so as soon as nothing runs any more.
    /// </summary>
    public async Task<bool> SetStateAsync(
        NpgsqlTransaction transaction, Id<Instance> id, InstanceState state, string? reason = null, StopCause? stopCause = null, PauseCause? pauseCause = null)
    {
        Touch(transaction);
        return await transaction.Connection!.ExecuteAsync($"""
            update instances set
                state = @state, state_reason = @reason, stop_cause = @stopCause, pause_cause = @pauseCause,
                state_since = case when state = @state then state_since else @now end,
                cpus = case when @atRest then coalesce(pending_cpus, cpus) else cpus end,
                memory_bytes = case when @atRest then coalesce(pending_memory_bytes, memory_bytes) else memory_bytes end,
                pending_cpus = case when @atRest then null else pending_cpus end,
                pending_memory_bytes = case when @atRest then null else pending_memory_bytes end,
                pending_reason = case when @atRest then null else pending_reason end,
                updated_at = @now, version = version + 1
            where id = @id
              and (state, state_reason, stop_cause, pause_cause) is distinct from (@state, @reason::text, @stopCause::smallint, @pauseCause::smallint)
            """, new
        {
            id = id.Value,
            state = (short)state,
            reason = reason?.Replace("\0", "", StringComparison.Ordinal),
            stopCause = (short?)stopCause,
            pauseCause = (short?)pauseCause,
            atRest = state is InstanceState.Stopped or InstanceState.Starting,
            now = time.GetUtcNow(),
        }, transaction) > 0;
    }

    /// <summary>Takes it out of every list and frees its name; the row stays until the node has let go of it.</summary>
    public async Task HideAsync(NpgsqlTransaction transaction, Id<Instance> id)
    {
        Touch(transaction);
        await transaction.Connection!.ExecuteAsync("update instances set deleted = true where id = @Value", id, transaction);
    }

    public async Task DeleteAsync(NpgsqlTransaction transaction, Id<Instance> id)
    {
        Touch(transaction);
        await transaction.Connection!.ExecuteAsync("delete from instances where id = @Value", id, transaction);
    }

    private void Touch(NpgsqlTransaction transaction) => db.Afterwards(transaction, pages.BeginChange());

    private static string Json<T>(T value) => JsonSerializer.Serialize(value, WireJson.Default.Options);

    private Instance ToWire(Row row) => ToWire(row, JsonSerializer.Deserialize<Machine>(row.machine, WireJson.Default.Options)!);

    private Instance ToWire(Row row, Machine machine) => new()
    {
        Id = new(row.id),
        Name = row.name,
        Kind = (InstanceKind)row.kind,
        Driver = row.driver,
        Image = row.image,
        Node = row.node == node.Id.Value ? node.Name : row.node.ToString(),
        Cpus = row.cpus,
        MemoryBytes = row.memory_bytes,
        Description = row.description,
        Labels = JsonSerializer.Deserialize<IReadOnlyDictionary<string, string>>(row.labels, WireJson.Default.Options)!,
        Boot = JsonSerializer.Deserialize<Boot>(row.boot, WireJson.Default.Options)!,
        MaxCpus = row.max_cpus,
        MaxMemoryBytes = row.max_memory_bytes,
        Pending = row.pending_cpus is null && row.pending_memory_bytes is null ? null : new(row.pending_cpus, row.pending_memory_bytes, row.pending_reason),
        AutoStart = row.auto_start,
        CloudInit = row.cloud_init_number is { } number ? new(CloudInitSpec.InstanceIdOf(new(row.id), number)) : null,
        Parent = row.parent_id is { } parent ? new(new(parent), row.parent_name!, row.parent_snapshot) : null,
        Template = row.is_template,
        State = (InstanceState)row.state,
        StateSince = row.state_since,
        StateReason = row.state_reason,
        StopCause = (StopCause?)row.stop_cause,
        PauseCause = (PauseCause?)row.pause_cause,
        CreatedAt = row.created_at,
        UpdatedAt = row.updated_at,
        Etag = $"\"{row.version}\"",
        Architecture = machine.Architecture,
        Cpu = machine.Cpu,
        Memory = machine.Memory,
        Volumes = machine.Volumes,
        Nics = machine.Nics,
        Security = machine.Security,
        Clock = machine.Clock,
        Windows = machine.Windows,
    };

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(
        Guid id, string name, short kind, string driver, string? image, Guid node, int cpus, long memory_bytes, string? description, string labels,
        string boot, bool auto_start, string machine, int? max_cpus, long? max_memory_bytes, int? pending_cpus, long? pending_memory_bytes, string? pending_reason,
        int? cloud_init_number, bool is_template, short state, DateTime state_since, string? state_reason, short? stop_cause, short? pause_cause, DateTime created_at, DateTime updated_at, long version,
        Guid? parent_id, string? parent_name, string? parent_snapshot);
#pragma warning restore IDE1006
}

/// <summary>What the control plane keeps of an instance beside what its node needs.</summary>
internal sealed record InstanceDetails(
    Id<Image>? Image, string? Description, IReadOnlyDictionary<string, string> Labels, Boot Boot, bool AutoStart, Machine? Machine = null);
