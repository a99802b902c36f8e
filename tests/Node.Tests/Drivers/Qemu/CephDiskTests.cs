using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Images;
using Gantry.Node.Instances;
using Gantry.Node.Pools;
using Gantry.Node.Tests.Pools;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>A real guest with its disk in a real Ceph. `./dev soak` runs this.</summary>
[Trait("Category", "Soak")]
public sealed class CephDiskTests(CephHost host, TestImages images) : IClassFixture<CephHost>, IAsyncLifetime
{
    private readonly Id<Pool> _pool = Id<Pool>.New();
    private readonly DiskRig _rig = new(images, node => node with { Shell = host.Host.Networked });

    private IPool Pool => _rig.Node.Context.Pools.Of(_pool);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_guest_goes_back_to_a_snapshot_that_was_taken_while_it_wrote_and_never_sees_the_key()
    {
        var data = DiskRig.Disk("data") with { Pool = _pool };
        var disk = await GivenAsync(InstanceKind.Microvm, data);
        await _rig.StartAsync();
        await _rig.AskAsync("echo first | dd of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null");
        var pid = (await _rig.Node.InspectAsync(_rig.Id, default)).Observed!.Pid!.Value;
        var key = CephKeyring.TryRead(host.Keyring)!.Key;
        File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cmdline")).ShouldContain("\"driver\":\"rbd\"");
        File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cmdline")).ShouldNotContain(key);
        Directory.EnumerateFiles(_rig.Path, "*", SearchOption.AllDirectories).Where(f => Holds(f, key)).ShouldHaveSingleItem().ShouldEndWith("/credentials/ceph");

        await _rig.Node.PauseAsync(_rig.Id, default);
        var snapshot = Id<Snapshot>.New();
        await Pool.SnapshotAsync($"{_rig.Id}", ["data"], snapshot, default);
        await _rig.Node.ResumeAsync(_rig.Id, default);
        (await _rig.AskAsync("echo other | dd of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches; head -c 5 /dev/vda; echo")).ShouldBe(["other"]);
        await _rig.Node.StopAsync(_rig.Id, default);

        (await TestDisks.ReadAsync(host.Host.Networked, await Pool.FindAsync(disk, default), _rig.Path))[0].ShouldBe(-1);
        await Pool.RestoreAsync($"{_rig.Id}", snapshot, default);
        await _rig.StartAsync();
        (await _rig.AskAsync("head -c 5 /dev/vda; echo")).ShouldBe(["first"]);
    }

    [Fact]
    public async Task A_running_guest_has_a_disk_there_plugged_in_and_grown_and_the_one_it_has_made_to_stand_alone()
    {
        var disk = await GivenAsync(InstanceKind.Vm, DiskRig.Disk("data") with { Pool = _pool });
        var (template, at) = (new DiskName($"{Id<Instance>.New()}", "data"), Id<Snapshot>.New());
        await Pool.CreateAsync(template, 16 * Limits.MiB, null, default);
        await TestDisks.WriteAsync(host.Host.Networked, await Pool.FindAsync(template, default), (0, (byte)7), (9, (byte)7));
        await Pool.SnapshotAsync(template.Owner, ["data"], at, default);
        await Pool.DeleteOwnerAsync(disk.Owner, default);
        await Pool.CloneAsync(template, at, disk, default);
        await _rig.StartAsync();
        await _rig.AskAsync("dd if=/dev/zero of=/dev/vda bs=64k count=1 conv=fsync 2>/dev/null");

        (await Should.ThrowAsync<Refusal>(() => Pool.DeleteOwnerAsync(template.Owner, default))).Code.ShouldBe("volume.in_use");
        await ((ITiedClones)Pool).PromoteAsync(disk, _rig.Node.MergingOf(_rig.Id, _ => { }), _ => { }, default);
        await Pool.DeleteOwnerAsync(template.Owner, default);
        (await _rig.AskAsync("echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=64k skip=9 count=1 2>/dev/null | tr -d '\\007' | wc -c")).ShouldBe(["0"]);

        var more = DiskRig.Disk("more") with { Pool = _pool };
        (await _rig.Node.PlugDiskAsync(_rig.Id, more, default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("while [ ! -b /dev/vdb ]; do sleep 0.1; done; echo kept >/dev/vdb; sync; head -c 5 /dev/vdb")).ShouldBe(["kept"]);
        (await _rig.Node.GrowDiskAsync(_rig.Id, "more", 24 * Limits.MiB, default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("while [ $(cat /sys/block/vdb/size) != 49152 ]; do sleep 0.1; done; blockdev --getsize64 /dev/vdb")).ShouldBe(["25165824"]);
        (await Pool.FindAsync(disk with { Name = "more" }, default)).SizeBytes.ShouldBe(24 * Limits.MiB);
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "more", default)).ShouldBe(new DiskChange());
        await Pool.DeleteAsync(disk with { Name = "more" }, default);
    }

    [Fact]
    public async Task A_guest_that_was_started_without_the_network_gets_no_disk_there_while_it_runs()
    {
        await GivenAsync(InstanceKind.Vm, DiskRig.Disk("data"));
        await _rig.StartAsync();

        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("more") with { Pool = _pool }, default)).ShouldBe(new DiskChange(DiskReasons.NoNetwork));
    }

    private async Task<DiskName> GivenAsync(InstanceKind kind, params VolumeSpec[] volumes)
    {
        await _rig.RestartNodeAsync();
        var folder = $"{_rig.Node.Context.Root.Etc}/credentials";
        Directory.CreateDirectory(folder);
        File.Copy(host.Keyring, $"{folder}/ceph");
        File.SetUnixFileMode($"{folder}/ceph", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await _rig.Node.Context.Pools.OpenAsync(new(_pool, PoolKind.Ceph, $"{CephHost.Monitor}/{CephHost.Pool}/{_pool}", new(Credentials: "ceph")), default);
        await _rig.GivenAsync(kind, volumes);
        return new($"{_rig.Id}", volumes[0].Name);
    }

    private static bool Holds(string file, string key)
    {
        try
        {
            return File.ReadAllText(file).Contains(key, StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
