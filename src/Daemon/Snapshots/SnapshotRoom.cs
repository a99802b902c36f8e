using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Snapshots;

/// <summary>Refuses one more snapshot of an instance that would go over a quota. Whoever asks may count on the answer until their transaction ends.</summary>
/// <param name="pools">Where it will have disks; null for the pool beside the instances.</param>
/// <exception cref="Refusal"><c>quota.reached</c>, <c>quota.instance_reached</c></exception>
internal delegate Task DemandSnapshotRoom(NpgsqlTransaction transaction, Id<Instance> instance, string instanceName, IReadOnlyList<Id<Pool>?> pools);

/// <summary>Begins the deletion of what has to go for one more snapshot of an instance, as far as the quotas' policies let it.</summary>
/// <returns>What goes, each with its operation.</returns>
/// <exception cref="Refusal"><c>quota.reached</c>, <c>quota.instance_reached</c>: nothing was begun then.</exception>
internal delegate Task<IReadOnlyList<SnapshotRemoval>> MakeSnapshotRoom(Instance instance, Caller caller, BeginOptions options, CancellationToken ct);
