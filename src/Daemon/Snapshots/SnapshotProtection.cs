using Dapper;
using Gantry.Contracts;
using Npgsql;

namespace Gantry.Daemon.Snapshots;

/// <summary>
/// What keeps snapshots from being deleted, each with its reason, in one place: the deletion, quotas and schedules all ask here.
/// A new reason is one more part of the union.
/// </summary>
internal static class SnapshotProtection
{
    /// <summary>A select of <c>(snapshot uuid, reason text)</c> of those that somebody protects; the parameter <c>@Now</c> is a time.</summary>
    public const string Reasons = """
        select id as snapshot, 'it is protected' as reason from snapshots where is_protected
        union all
        select id, 'it is kept until ' || to_char(keep_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"') from snapshots where keep_until > @Now
        """;

    /// <summary>Likewise, of all that stay whoever wants them gone: clones keep some too, whose deletion is refused with what to do about them.</summary>
    public const string AllReasons = $"""
        {Reasons}
        union all
        select c.snapshot, 'the clone ' || i.name || ' stands on it' from clones c join instances i on i.id = c.instance
        """;

    /// <exception cref="Refusal"><c>snapshot.protected</c></exception>
    public static async Task DemandNoneAsync(NpgsqlTransaction transaction, Id<Snapshot> id, string name, DateTimeOffset now)
    {
        if (await ReasonAsync(transaction.Connection!, transaction, id, now) is { } reason)
        {
            throw SnapshotErrors.Protected(name, reason);
        }
    }

    /// <returns>Null when nothing keeps it.</returns>
    public static Task<string?> ReasonAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, Id<Snapshot> id, DateTimeOffset now) =>
        connection.QueryFirstOrDefaultAsync<string?>($"select reason from ({Reasons}) as kept where snapshot = @Id", new { Id = id.Value, Now = now }, transaction);
}
