using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Images;
using Gantry.Daemon.Platform;
using Gantry.Node.Drivers;
using Npgsql;

namespace Gantry.Daemon.Instances;

/// <summary>What changes of an instance beside its state: its name, its size, what people note about it, and whether it is to run.</summary>
internal sealed partial class InstanceStore
{
    /// <summary>The row's version, which every change raises; null when it is gone.</summary>
    public Task<long?> VersionAsync(Id<Instance> id, CancellationToken ct) => db.WithAsync(connection =>
        connection.QuerySingleOrDefaultAsync<long?>(new CommandDefinition("select version from instances where id = @Value and not deleted", id, cancellationToken: ct)), ct);

    /// <summary>The same, locked until the transaction ends.</summary>
    public Task<long?> LockVersionAsync(NpgsqlTransaction transaction, Id<Instance> id) =>
        transaction.Connection!.QuerySingleOrDefaultAsync<long?>("select version from instances where id = @Value and not deleted for update", id, transaction);

    /// <exception cref="Refusal"><c>instance.name_taken</c></exception>
    public async Task DemandFreeAsync(NpgsqlTransaction transaction, Id<Instance> id, string name)
    {
        if (await transaction.Connection!.ExecuteScalarAsync<bool>(
            "select exists (select 1 from instances where name collate \"C\" = @name and id <> @id and not deleted)", new { name, id = id.Value }, transaction))
        {
            throw InstanceErrors.NameTaken(name);
        }
    }

    /// <summary>False when that was its name already.</summary>
    /// <exception cref="Refusal"><c>instance.name_taken</c></exception>
    public async Task<bool> RenameAsync(NpgsqlTransaction transaction, Id<Instance> id, string name)
    {
        Touch(transaction);
        try
        {
            return await transaction.Connection!.ExecuteAsync(
                "update instances set name = @name, updated_at = @now, version = version + 1 where id = @id and name <> @name",
                new { id = id.Value, name, now = time.GetUtcNow() }, transaction) > 0;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            throw InstanceErrors.NameTaken(name);
        }
    }

    public async Task ResizeAsync(NpgsqlTransaction transaction, Id<Instance> id, InstanceSize now, PendingResize? pending)
    {
        Touch(transaction);
        await transaction.Connection!.ExecuteAsync("""
            update instances set
                cpus = @Cpus, memory_bytes = @MemoryBytes, pending_cpus = @PendingCpus, pending_memory_bytes = @PendingMemory, pending_reason = @Reason,
                max_cpus = case when max_cpus < @NextCpus then @NextCpus else max_cpus end,
                max_memory_bytes = case when max_memory_bytes < @NextMemory then @NextMemory else max_memory_bytes end,
                updated_at = @At, version = version + 1
            where id = @Id
            """, new
        {
            Id = id.Value,
            now.Cpus,
            now.MemoryBytes,
            PendingCpus = pending?.Cpus,
            PendingMemory = pending?.MemoryBytes,
            pending?.Reason,
            NextCpus = pending?.Cpus ?? now.Cpus,
            NextMemory = pending?.MemoryBytes ?? now.MemoryBytes,
            At = time.GetUtcNow(),
        }, transaction);
    }

    /// <summary>False when the row is no longer of that version.</summary>
    public async Task<bool> SetAsync(NpgsqlTransaction transaction, Instance read, ChangeInstance settings)
    {
        Touch(transaction);
        return await transaction.Connection!.ExecuteAsync("""
            update instances set description = @Description, labels = @Labels::jsonb, auto_start = @AutoStart, is_template = @Template, updated_at = @At, version = version + 1
            where id = @Id and version = @Version and not deleted
            """, new
        {
            Id = read.Id.Value,
            Version = long.Parse(read.Etag.Trim('"'), System.Globalization.CultureInfo.InvariantCulture),
            settings.Description,
            Labels = Json(settings.Labels ?? new Dictionary<string, string>()),
            AutoStart = settings.AutoStart ?? false,
            Template = settings.Template ?? false,
            At = time.GetUtcNow(),
        }, transaction) > 0;
    }

    /// <summary>As they are shown: with their addresses.</summary>
    public async Task SetNicsAsync(NpgsqlTransaction transaction, Id<Instance> id, IReadOnlyList<Nic> nics)
    {
        Touch(transaction);
        await transaction.Connection!.ExecuteAsync(
            "update instances set machine = jsonb_set(machine, '{nics}', @Nics::jsonb), updated_at = @At, version = version + 1 where id = @Id",
            new { Id = id.Value, Nics = Json(nics), At = time.GetUtcNow() }, transaction);
    }

    public static async Task<IReadOnlyList<Nic>> NicsAsync(NpgsqlTransaction transaction, Id<Instance> id) => (await MachineAsync(transaction, id)).Nics ?? [];

    private static async Task<Machine> MachineAsync(NpgsqlTransaction transaction, Id<Instance> id) => JsonSerializer.Deserialize<Machine>(
        await transaction.Connection!.QuerySingleAsync<string>("select machine from instances where id = @Value", id, transaction), WireJson.Default.Options)!;

    public async Task SetVolumesAsync(NpgsqlTransaction transaction, Id<Instance> id, IReadOnlyList<Volume> volumes)
    {
        Touch(transaction);
        await transaction.Connection!.ExecuteAsync(
            "update instances set machine = jsonb_set(machine, '{volumes}', @Volumes::jsonb), updated_at = @At, version = version + 1 where id = @Id",
            new { Id = id.Value, Volumes = Json(volumes), At = time.GetUtcNow() }, transaction);
    }

    public static async Task<IReadOnlyList<Volume>> VolumesAsync(NpgsqlTransaction transaction, Id<Instance> id) => (await MachineAsync(transaction, id)).Volumes ?? [];

    /// <summary>Notes that it needs an image, which stays for as long.</summary>
    /// <exception cref="Refusal"><c>image.unknown</c></exception>
    public static async Task UseImageAsync(NpgsqlTransaction transaction, Id<Instance> id, Id<Image> image)
    {
        await ImageStore.LockAsync(transaction, image);
        await transaction.Connection!.ExecuteAsync(
            "insert into instance_images (instance, image) values (@Instance, @Image) on conflict do nothing", new { Instance = id.Value, Image = image.Value }, transaction);
    }

    /// <summary>Writes down how large its disks are, where that is known and has changed.</summary>
    /// <param name="sizes">In bytes, by the volume's name.</param>
    public async Task SetVolumeSizesAsync(NpgsqlTransaction transaction, Id<Instance> id, IReadOnlyDictionary<string, long> sizes)
    {
        var volumes = await VolumesAsync(transaction, id);
        if (volumes.Any(v => v.SizeBytes is { } size && sizes.GetValueOrDefault(v.Name, size) != size))
        {
            await SetVolumesAsync(transaction, id, [.. volumes.Select(v => v.SizeBytes is { } size ? v with { SizeBytes = sizes.GetValueOrDefault(v.Name, size) } : v)]);
        }
    }

    /// <summary>Notes whether it is to run again when a daemon finds it stopped.</summary>
    public Task WantAsync(NpgsqlTransaction transaction, Id<Instance> id, bool running) =>
        transaction.Connection!.ExecuteAsync("update instances set wanted_running = @running where id = @id and wanted_running <> @running", new { id = id.Value, running }, transaction);

    /// <summary>Those that start by themselves now: stopped, and meant to run.</summary>
    public Task<IReadOnlyList<Instance>> ToStartAsync(CancellationToken ct) => db.WithAsync<IReadOnlyList<Instance>>(async connection =>
        [.. (await connection.QueryAsync<Row>(new CommandDefinition(
            $"select {Columns} where not i.deleted and i.node = @Node and i.auto_start and not i.is_template and i.wanted_running and i.state = @Stopped",
            new { Node = node.Id.Value, Stopped = (short)InstanceState.Stopped }, cancellationToken: ct))).Select(ToWire)], ct);

    /// <summary>Whether the node's host has restarted since its instances were last taken up.</summary>
    public Task<bool> HasRebootedAsync(Guid boot, CancellationToken ct) => db.WithAsync(connection =>
        connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "select not exists (select 1 from node_boots where node = @Node and boot_id = @boot)", new { Node = node.Id.Value, boot }, cancellationToken: ct)), ct);

    /// <summary>After a restart of the host: what starts by itself is to run, nothing else; noted together with the boot, once.</summary>
    public async Task NoteBootAsync(NpgsqlTransaction transaction, Guid boot) => await transaction.Connection!.ExecuteAsync("""
        update instances set wanted_running = auto_start where node = @Node and state <> all (@Alive);
        insert into node_boots (node, boot_id) values (@Node, @boot) on conflict (node) do update set boot_id = excluded.boot_id;
        """, new { Node = node.Id.Value, boot, Alive = new[] { (short)InstanceState.Running, (short)InstanceState.Paused } }, transaction);
}
