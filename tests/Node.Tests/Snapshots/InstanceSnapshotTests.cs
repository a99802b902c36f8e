using Gantry.Contracts;
using Gantry.Node.Drivers.Sim;
using Gantry.Node.Instances;
using Gantry.Node.Pools;
using Gantry.Node.Tests.Pools;

namespace Gantry.Node.Tests.Snapshots;

/// <summary>Snapshots of an instance with a disk in a directory, which has layers, and one in a real Btrfs, which has snapshots of its own. What runs is the simulator's.</summary>
public sealed class InstanceSnapshotTests(BtrfsHost host) : IClassFixture<BtrfsHost>, IAsyncLifetime
{
    private readonly TestRoot _root = new(node => node with { Shell = host.Host.Shell });
    private readonly Id<Instance> _id = Id<Instance>.New();
    private readonly Id<Pool> _pool = Id<Pool>.New();
    private readonly List<string> _calls = [];
    private LocalNode? _node;

    private LocalNode Node => _node ??= new(_root.Context);

    private SimDriver Sim => (SimDriver)Node.Driver("sim");

    public async ValueTask InitializeAsync()
    {
        await _root.Context.Pools.OpenAsync(new(_pool, PoolKind.Btrfs, $"{host.Host.Seen}/btrfs/{_pool}"), default);
        await Node.DefineAsync(
            new(_id, "both", InstanceKind.Microvm, "sim", 1, 128 * Limits.MiB, Firmware.Direct, "/boot/any", null, null, 0) { Volumes = [Disk("layered", null), Disk("own", _pool)] }, default);
        Sim.Before = (call, _, _) =>
        {
            _calls.Add(call);
            return Task.CompletedTask;
        };
    }

    public async ValueTask DisposeAsync()
    {
        await Node.RemoveAsync(_id, default);
        await Node.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task Disks_in_storages_of_both_kinds_are_kept_at_one_instant_for_which_the_guest_is_halted_and_go_back_together()
    {
        var (one, two) = (Id<Snapshot>.New(), Id<Snapshot>.New());
        await WriteAsync(1);
        await Node.StartAsync(_id, default);
        await Node.TakeSnapshotAsync(_id, one, default);
        _calls.Where(c => c is "pause" or "switchLayers" or "resume").ShouldBe(["pause", "switchLayers", "resume"]);
        (await Node.InspectAsync(_id, default)).State.ShouldBe(InstanceState.Running);

        await Node.StopAsync(_id, default);
        _calls.Clear();
        await WriteAsync(2);
        await Node.TakeSnapshotAsync(_id, two, default);
        _calls.ShouldNotContain("pause");

        await WriteAsync(3);
        await Node.RestoreSnapshotAsync(_id, one, default);
        (await ReadAsync()).ShouldBe([1, 1]);
        await Node.RestoreSnapshotAsync(_id, two, default);
        (await ReadAsync()).ShouldBe([2, 2]);

        await Node.DeleteSnapshotAsync(_id, one, _ => { }, default);
        (await Node.SnapshotSizesAsync(_id, default)).Keys.ShouldBe([two]);
        (await Node.VerifySnapshotAsync(_id, two, null, default)).ShouldBeEmpty();
        (await ReadAsync()).ShouldBe([2, 2]);
    }

    [Theory]
    [InlineData("pause")]
    [InlineData("switchLayers")]
    public async Task One_that_breaks_off_is_cleared_away_and_its_guest_goes_on(string at)
    {
        var snapshot = Id<Snapshot>.New();
        await WriteAsync(1);
        await Node.StartAsync(_id, default);
        var first = true;
        Sim.Before = (call, _, _) => call == at && first && !(first = false) ? Task.FromException(new IOException("broken off")) : Task.CompletedTask;

        await Should.ThrowAsync<IOException>(() => Node.TakeSnapshotAsync(_id, snapshot, default));
        (await Node.InspectAsync(_id, default)).State.ShouldBe(InstanceState.Running);
        await Node.DeleteSnapshotAsync(_id, snapshot, _ => { }, default);
        (await Node.SnapshotSizesAsync(_id, default)).ShouldBeEmpty();
        Directory.GetDirectories($"{_root.Context.Folders.Data(_id)}/snapshots").ShouldBeEmpty();
        await Node.StopAsync(_id, default);
        (await ReadAsync()).ShouldBe([1, 1]);
    }

    [Fact]
    public async Task A_guest_that_is_paused_while_it_is_halted_for_a_snapshot_stays_paused()
    {
        var paused = Task.CompletedTask;
        Sim.Before = (call, _, _) =>
        {
            paused = call == "switchLayers" ? Node.PauseAsync(_id, default) : paused;
            return Task.CompletedTask;
        };
        await Node.StartAsync(_id, default);
        await Node.TakeSnapshotAsync(_id, Id<Snapshot>.New(), default);
        await paused;
        (await Node.InspectAsync(_id, default)).State.ShouldBe(InstanceState.Paused);

        Sim.Before = (_, _, _) => Task.CompletedTask;
        await Node.TakeSnapshotAsync(_id, Id<Snapshot>.New(), default);
        (await Node.InspectAsync(_id, default)).State.ShouldBe(InstanceState.Paused);
    }

    private static VolumeSpec Disk(string name, Id<Pool>? pool) => new(name, VolumeDevice.Disk, null, null, Limits.MiB, VolumeBus.Virtio, VolumeCache.Writeback, ReadOnly: false) { Pool = pool };

    private async Task WriteAsync(byte value)
    {
        foreach (var disk in await DisksAsync())
        {
            await TestDisks.WriteAsync(disk, (0, value));
        }
    }

    private async Task<IReadOnlyList<int>> ReadAsync()
    {
        var found = new List<int>();
        foreach (var disk in await DisksAsync())
        {
            found.Add((await TestDisks.ReadAsync(disk, _root.Path))[0]);
        }

        return found;
    }

    private async Task<IReadOnlyList<Disk>> DisksAsync() =>
    [
        await _root.Context.Pools.Of(null).FindAsync(new(_id.ToString(), "layered"), default),
        await _root.Context.Pools.Of(_pool).FindAsync(new(_id.ToString(), "own"), default),
    ];
}
