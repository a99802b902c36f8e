using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>The suite of all operations on those of volumes, with real disks in the pool beside the instances.</summary>
public sealed class VolumeAdditionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new VolumeRig<VolumeAddition.Input>(
        Database, "", "data 8 MiB", w => new VolumeAddition(w.Volumes, w.Node), w => new(w.Spec.Id, VolumeRig.Shown, VolumeRig.Kept));
}

public sealed class VolumeRemovalConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new VolumeRig<VolumeRemoval.Input>(
        Database, "data 8 MiB", "", w => new VolumeRemoval(w.Volumes, w.Node), w => new(w.Spec.Id, VolumeRig.Shown, VolumeRig.Kept));
}

/// <summary>A disk that has grown stays so when something goes wrong after that: the row says it too.</summary>
public sealed class VolumeConfigurationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new VolumeRig<VolumeConfiguration.Input>(
        Database, "data 8 MiB", "data 16 MiB at 5000", w => new VolumeConfiguration(w.Volumes, w.Node),
        w => new(w.Spec.Id, "data", null, new() { WriteBytesPerSecond = 5000 }, 16 * Limits.MiB), "row data 8 MiB, node data 16 MiB", "data 16 MiB");
}

/// <summary>A disk that its guest has in the other pool stays there when something goes wrong after that: the row says it too.</summary>
public sealed class VolumeMoveConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new VolumeRig<VolumeMove.Input>(
        Database, "data 8 MiB", "data 8 MiB in other", w => new VolumeMove(w.Volumes, w.Node),
        w => new(w.Spec.Id, VolumeRig.Shown, VolumeRig.Kept, w.OtherPool.Id, w.OtherPool.Name), "data 8 MiB in other") { WithOtherPool = true };
}

internal static class VolumeRig
{
    public static VolumeSpec Kept { get; } = new("data", VolumeDevice.Disk, null, null, 8 * Limits.MiB, VolumeBus.Virtio, VolumeCache.Writeback, false);

    public static Volume Shown { get; } = new() { Name = "data", Device = VolumeDevice.Disk, Pool = "local", SizeBytes = 8 * Limits.MiB };
}

internal sealed class VolumeRig<TInput>(
    string database, string before, string after, Func<InstanceWorld, OperationType<TInput>> type, Func<InstanceWorld, TInput> input, params string[] alsoAfterFailure) : OperationRig
{
    private readonly InstanceWorld _world = new(database);
    private OperationType<TInput>? _type;

    public override OperationType Type => _type ??= type(_world);

    public bool WithOtherPool { get; init; }

    public override async Task<Operation> BeginAsync(TestDaemon daemon)
    {
        await _world.GivenAsync(InstanceState.Stopped);
        if (WithOtherPool)
        {
            await _world.GivenPoolAsync();
        }

        if (before.Length > 0)
        {
            await _world.Node.PlugDiskAsync(_world.Spec.Id, VolumeRig.Kept, default);
            await _world.Db.InTransactionAsync(transaction => _world.Store.SetVolumesAsync(transaction, _world.Spec.Id, [VolumeRig.Shown]), default);
        }

        return await daemon.Operations.BeginAsync(
            (OperationType<TInput>)Type, input(_world), $"instances/{_world.Spec.Id}", _world.Spec.Name, Caller.System, BeginOptions.Default, default);
    }

    public override async Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) =>
        await PictureAsync() is var picture && (picture == before || alsoAfterFailure.Contains(picture)) ? [] : [picture];

    public override async Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) => await PictureAsync() is var picture && picture == after ? [] : [picture];

    public override async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <summary>What the row, the node and the pool say of the instance's volumes, where all of them agree; else what each says.</summary>
    private async Task<string> PictureAsync()
    {
        var row = Said((await _world.Store.GetAsync($"{_world.Spec.Id}", default)).Volumes?.Select(v => (v.Name, v.SizeBytes ?? 0, v.Limits, v.Pool != "local")));
        var spec = _world.Node.Context.Folders.Read(_world.Spec.Id).Volumes ?? [];
        var disks = new List<(string, long, VolumeLimits?, bool)>();
        foreach (var volume in spec)
        {
            var disk = await _world.Node.Context.Pools.Of(volume.Pool).FindAsync(new($"{_world.Spec.Id}", volume.Name), default);
            disks.Add((volume.Name, disk.SizeBytes, volume.Limits, volume.Pool is not null));
        }

        var node = Said(disks);
        foreach (var pool in (Id<Pool>?[])[null, .. WithOtherPool ? [_world.OtherPool.Id] : (Id<Pool>?[])[]])
        {
            var owners = await _world.Node.Context.Pools.Of(pool).OwnersAsync(default);
            node += spec.All(v => v.Pool != pool) && owners.Contains($"{_world.Spec.Id}") ? " and a disk that nobody has" : "";
        }

        return row == node ? row : $"row {row}, node {node}";
    }

    private static string Said(IEnumerable<(string Name, long Bytes, VolumeLimits? Limits, bool InOther)>? volumes) => string.Join(", ", (volumes ?? []).Select(v => string.Create(
        CultureInfo.InvariantCulture, $"{v.Name} {v.Bytes / Limits.MiB} MiB{(v.Limits?.WriteBytesPerSecond is { } limit ? $" at {limit}" : "")}{(v.InOther ? " in other" : "")}")));
}
