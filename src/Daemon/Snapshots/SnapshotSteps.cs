using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node.Pools;
using Npgsql;

namespace Gantry.Daemon.Snapshots;

/// <summary>What the operations on snapshots have in common.</summary>
internal static class SnapshotSteps
{
    public static Action<DiskProgress> Reporter(StepContext context, string stage = "merge layers") => done => context.Report(done.ToWire(stage));

    public static Task TellAsync(
        EventLog events, NpgsqlTransaction transaction, StepContext context, string type, Id<Snapshot> id, Id<Instance> instance, string name, string? reason = null)
    {
        var caller = Caller.Of(context.Operation);
        return events.AppendAsync(transaction, type, $"snapshots/{id}", caller.Name, caller.RequestId, reason is null
            ? (object)new { name, instance = $"{instance}", instanceName = context.Operation.TargetName }
            : new { name, instance = $"{instance}", instanceName = context.Operation.TargetName, reason });
    }
}
