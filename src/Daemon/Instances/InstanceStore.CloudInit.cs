using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Node.Instances;
using Npgsql;

namespace Gantry.Daemon.Instances;

/// <summary>What instances are told by cloud-init, with hashes of passwords: shown only as <see cref="CloudInitPasswords"/> has it.</summary>
internal sealed partial class InstanceStore
{
    /// <summary>Null where it is told nothing.</summary>
    public Task<CloudInitSpec?> CloudInitAsync(Id<Instance> id, CancellationToken ct) => db.WithAsync(async connection =>
        await connection.QuerySingleOrDefaultAsync<(string? Settings, int Number)>(new CommandDefinition(
            "select cloud_init, cloud_init_number from instances where id = @Value and not deleted", id, cancellationToken: ct)) is { Settings: { } settings, Number: var number }
            ? new CloudInitSpec(JsonSerializer.Deserialize<CloudInit>(settings, WireJson.Default.Options)!, number) : null, ct);

    /// <summary>The number given out last.</summary>
    public Task<int> LastCloudInitAsync(Id<Instance> id, CancellationToken ct) => db.WithAsync(connection =>
        connection.QuerySingleOrDefaultAsync<int>(new CommandDefinition("select cloud_init_last from instances where id = @Value", id, cancellationToken: ct)), ct);

    /// <summary>Gives out a number that no cloud-init of the instance has had.</summary>
    public static Task NextCloudInitAsync(NpgsqlTransaction transaction, Id<Instance> id) =>
        transaction.Connection!.ExecuteAsync("update instances set cloud_init_last = cloud_init_last + 1 where id = @Value", id, transaction);

    /// <summary>Under the number given out last, which it answers with.</summary>
    public async Task<int> SetCloudInitAsync(NpgsqlTransaction transaction, Id<Instance> id, CloudInit? settings)
    {
        Touch(transaction);
        return await transaction.Connection!.ExecuteScalarAsync<int>("""
            update instances set cloud_init = @Settings::jsonb, cloud_init_number = cloud_init_last, updated_at = @At, version = version + 1
            where id = @Id returning cloud_init_number
            """, new { Id = id.Value, Settings = settings is null ? null : Json(settings), At = time.GetUtcNow() }, transaction);
    }
}
