using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Quotas;

/// <summary>Deletes a snapshot for an enforcement and waits for that.</summary>
/// <param name="enforcement">The operation that asks; asked again for the same, it is the same deletion.</param>
/// <returns>Why it could not be deleted; null when it is gone.</returns>
internal delegate Task<Problem?> DeleteForQuota(SnapshotRemoval wanted, Operation enforcement, CancellationToken ct);

/// <summary>Ordinary deletions of snapshots, begun and awaited for an enforcement, and found again after a crash.</summary>
internal sealed class QuotaDeletions(SnapshotDeletion delete, Operations.Operations operations)
{
    /// <summary>For a deletion that waits for its instance, or for a pool that is away: it goes on by itself, and others are not kept waiting.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    public static SnapshotRemoval RemovalOf(QuotaItem item, string reason) => new(item.Id, item.Name, item.Instance, item.InstanceName, reason, item.SizeBytes);

    public static SnapshotDeletion.Input InputOf(SnapshotRemoval wanted) => new(wanted.Id, wanted.Instance, wanted.Name, wanted.Reason, wanted.SizeBytes);

    /// <inheritdoc cref="DeleteForQuota"/>
    public async Task<Problem?> DeleteAsync(SnapshotRemoval wanted, Operation enforcement, CancellationToken ct)
    {
        try
        {
            var options = new BeginOptions(Queue: true, $"{PrefixOf(enforcement.Id)}{wanted.Id}", $"{wanted.Id}");
            var deletion = await operations.BeginAsync(delete, InputOf(wanted), $"instances/{wanted.Instance}", wanted.InstanceName, Caller.Of(enforcement), options, ct);
            deletion = await operations.WaitAsync(deletion.Id, Patience, ct);
            return deletion switch
            {
                { State: OperationState.Succeeded } or { Error.Code: "snapshot.unknown" } => null, // somebody else may have deleted it
                { Error: { } error } => error,
                { FinishedAt: null } => Problem.From(QuotaErrors.NotFinished(deletion.Id), enforcement.RequestId),
                _ => Problem.From(QuotaErrors.Cancelled(deletion.Id), enforcement.RequestId),
            };
        }
        catch (Refusal refusal) when (refusal.Code != "database.unavailable")
        {
            return Problem.From(refusal, enforcement.RequestId);
        }
    }

    /// <summary>What was begun for an enforcement, whichever run of a daemon it was, in that order.</summary>
    public static async Task<IReadOnlyList<SnapshotRemoval>> BegunAsync(Npgsql.NpgsqlTransaction transaction, Id<Operation> enforcement) =>
        [.. (await transaction.Connection!.QueryAsync<Row>(
            """
            select id, target_name, input, error, state from operations
            where created_by = (select created_by from operations where id = @Id) and idempotency_key like @Prefix || '%' order by created_at, id
            """, new { Id = enforcement.Value, Prefix = PrefixOf(enforcement) }, transaction)).Select(FromRow)];

    private static string PrefixOf(Id<Operation> enforcement) => $"quota/{enforcement}/";

    private static SnapshotRemoval FromRow(Row row)
    {
        var input = JsonSerializer.Deserialize<SnapshotDeletion.Input>(row.input, OperationJson.Options)!;
        var error = row.error is null ? null : JsonSerializer.Deserialize(row.error, WireJson.Default.Problem);
        return new(input.Id, input.Name, input.Instance, row.target_name, input.Reason ?? "", input.SizeBytes, new(row.id),
            (OperationState)row.state == OperationState.Succeeded || error?.Code == "snapshot.unknown" ? null : error?.Detail ?? "it was not deleted yet");
    }

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(Guid id, string target_name, string input, string? error, int state);
#pragma warning restore IDE1006
}
