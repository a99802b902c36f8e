using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Daemon.Tests.Instances;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Tests.Pools;

/// <summary>The suite of all operations on those of volumes that belong to no instance, with real disks in the pool beside the instances.</summary>
public sealed class PoolVolumeCreationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new PoolVolumeRig<PoolVolumeCreation.Input>(
        Database, "", "data 8 MiB available, alone", w => new PoolVolumeCreation(w.PoolVolumes, w.Node, w.Events), r => new(r.Free));
}

/// <summary>A volume that has grown stays so when something goes wrong after that: the row says it too.</summary>
public sealed class PoolVolumeChangeConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new PoolVolumeRig<PoolVolumeChange.Input>(
        Database, "data 8 MiB available, alone", "other 16 MiB available, alone", w => new PoolVolumeChange(w.PoolVolumes, w.Node, w.Events),
        r => new(r.Free.Id, null, "local", new("data", 8 * Limits.MiB), new("other", 16 * Limits.MiB)), "data 16 MiB available, alone");
}

public sealed class PoolVolumeDeletionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new PoolVolumeRig<PoolVolumeDeletion.Input>(
        Database, "data 8 MiB available, alone", "", w => new PoolVolumeDeletion(w.PoolVolumes, w.Node, w.Events), r => new(r.Free.Id, null, "local"));
}

/// <summary>To a machine that runs.</summary>
public sealed class VolumeAttachmentConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new PoolVolumeRig<VolumeAttachment.Input>(
        Database, "data 8 MiB available, alone", "data 8 MiB attached, the instance's, plugged in", w => new VolumeAttachment(w.Volumes, w.PoolVolumes, w.Node, w.Events),
        r => new(r.Instance, VolumeRig.Shown, VolumeRig.Kept, r.Free.Id, "data"));
}

/// <summary>From one that runs.</summary>
public sealed class VolumeDetachmentConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new PoolVolumeRig<VolumeDetachment.Input>(
        Database, "data 8 MiB attached, the instance's, plugged in", "kept 8 MiB available, alone", w => new VolumeDetachment(w.Store, w.Volumes, w.PoolVolumes, w.Node, w.Events),
        r => new(r.Instance, VolumeRig.Shown, VolumeRig.Kept, r.Free with { Name = "kept" }, IsBoot: false));
}

/// <param name="before">With a volume that is available or attached in it, one is made first.</param>
internal sealed class PoolVolumeRig<TInput>(
    string database, string before, string after, Func<InstanceWorld, OperationType<TInput>> type, Func<PoolVolumeRig<TInput>, TInput> input,
    params string[] alsoAfterFailure) : OperationRig
{
    private readonly InstanceWorld _world = new(database, kind: InstanceKind.Vm);
    private OperationType<TInput>? _type;

    public override OperationType Type => _type ??= type(_world);

    public NewVolume Free { get; } = new(Id<PoolVolume>.New(), null, "local", "data", 8 * Limits.MiB);

    public Id<Instance> Instance => _world.Spec.Id;

    public override async Task<Operation> BeginAsync(TestDaemon daemon)
    {
        await _world.GivenAsync(InstanceState.Running);
        if (before.Contains("available", StringComparison.Ordinal))
        {
            await _world.Node.MakeVolumeAsync(Free.Id, null, Free.SizeBytes, null, default);
            await _world.Db.InTransactionAsync(transaction => _world.PoolVolumes.InsertAsync(transaction, Free, PoolVolumeState.Available), default);
        }
        else if (before.Length > 0)
        {
            await _world.Node.PlugDiskAsync(Instance, VolumeRig.Kept, default);
            await _world.Db.InTransactionAsync(transaction => _world.Store.SetVolumesAsync(transaction, Instance, [VolumeRig.Shown]), default);
        }

        (await PictureAsync()).ShouldBe(before);
        return await daemon.Operations.BeginAsync((OperationType<TInput>)Type, input(this), $"things/{Free.Id}", "data", Caller.System, BeginOptions.Default, default);
    }

    public override async Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) =>
        await PictureAsync() is var picture && (picture == before || alsoAfterFailure.Contains(picture)) ? [] : [picture];

    public override async Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) => await PictureAsync() is var picture && picture == after ? [] : [picture];

    public override async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <summary>What the pool's list says, whose the disk is in the pool itself, and whether the machine has it; each size as it is there.</summary>
    private async Task<string> PictureAsync()
    {
        var rows = (await _world.PoolVolumes.ListAsync(_world.Pools.Local, new(10, null, null), default)).Items;
        var pool = _world.Node.Context.Pools.Of(null);
        var disks = new List<string>();
        foreach (var owner in await pool.OwnersAsync(default))
        {
            var disk = await pool.FindAsync(owner == $"{Instance}" ? InstanceDisks.NameOf(Instance, "data") : new(owner, "disk"), default);
            disks.Add(rows is not [{ } row, ..] || disk.SizeBytes != row.SizeBytes ? $"of {disk.SizeBytes} bytes"
                : owner == $"{Instance}" ? "the instance's" : owner == $"{Free.Id}" ? "alone" : owner);
        }

        var plugged = (_world.Node.Context.Folders.Read(Instance).Volumes ?? []).Select(v => v.Name == "data" ? "plugged in" : v.Name);
        var said = rows.Select(v => string.Create(
            CultureInfo.InvariantCulture, $"{v.Name} {v.SizeBytes / Limits.MiB} MiB {char.ToLowerInvariant($"{v.State}"[0])}{$"{v.State}"[1..]}"));
        return string.Join(", ", (string[])[.. said, .. disks, .. plugged]);
    }
}
