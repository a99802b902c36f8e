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
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(10);

    public static SnapshotRemoval RemovalOf(QuotaItem item, string reason) => new(item.Id, item.Name, item.Instance, item.InstanceName, reason, item.SizeBytes);

    public static SnapshotDeletion.Input InputOf(SnapshotRemoval wanted) => new(wanted.Id, wanted.Instance, wanted.Name, wanted.Reason, wanted.SizeBytes);

    /// <inheritdoc cref="DeleteForQuota"/>
    public async Task<Problem?> DeleteAsync(SnapshotRemoval wanted, Operation enforcement, CancellationToken ct)
    {
        try
        {
            var options = new BeginOptions(Queue: true, $"{PrefixOf(enforcement.Id)}{wanted.Id}", $"{wanted.Id}");
            var deletion = await operations.BeginAsync(delete, InputOf(wanted), $"instances/{wanted.Instance}", wanted.InstanceName, Caller.Of(enforcement), options, ct);
            while (deletion.FinishedAt is null)
            {
                deletion = await operations.WaitAsync(deletion.Id, LookEvery, ct);
            }

            return deletion.Error is { Code: not "snapshot.unknown" } error ? error : null; // somebody else may have deleted it
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
            select id, target_name, input, error from operations
            where created_by = (select created_by from operations where id = @Id) and idempotency_key like @Prefix || '%' order by created_at, id
            """, new { Id = enforcement.Value, Prefix = PrefixOf(enforcement) }, transaction)).Select(FromRow)];

    private static string PrefixOf(Id<Operation> enforcement) => $"quota/{enforcement}/";

    private static SnapshotRemoval FromRow(Row row)
    {
        var input = JsonSerializer.Deserialize<SnapshotDeletion.Input>(row.input, OperationJson.Options)!;
        var error = row.error is null ? null : JsonSerializer.Deserialize(row.error, WireJson.Default.Problem);
        return new(input.Id, input.Name, input.Instance, row.target_name, input.Reason ?? "", input.SizeBytes, new(row.id), error is { Code: not "snapshot.unknown" } ? error.Detail : null);
    }

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(Guid id, string target_name, string input, string? error);
#pragma warning restore IDE1006
}
