using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Conformance;

public abstract partial class DriverConformance
{
    [Fact]
    public async Task Disks_of_a_running_one_change_as_far_as_its_kind_allows_and_the_rest_is_told()
    {
        var able = (IDisks)_driver;
        var id = await GivenAsync(spec => Boot(spec) with { Volumes = [Disk("one"), Disk("two")] });
        (await able.PlugDiskAsync(id, "two", default)).ShouldBeNull("it does not run");
        (await able.UnplugDiskAsync(id, "two", default)).ShouldBeNull();
        (await able.LimitDiskAsync(id, "two", default)).ShouldBeNull();
        (await able.GrowDiskAsync(id, "two", 4 * Limits.MiB, default)).ShouldBeNull();
        (await able.SwitchLayersAsync(id, default)).ShouldBeFalse();
        await _driver.StartAsync(id, default);
        await UntilItIsUpAsync(id);
        var vm = Kind == InstanceKind.Vm;

        (await Should.ThrowAsync<Refusal>(() => able.PlugDiskAsync(id, "nine", default))).Code.ShouldBe("volume.unknown");
        (await Should.ThrowAsync<Refusal>(() => able.LimitDiskAsync(id, "nine", default))).Code.ShouldBe("volume.unknown");
        (await able.LimitDiskAsync(id, "one", default)).ShouldBe(new DiskChange());
        (await able.GrowDiskAsync(id, "one", 4 * Limits.MiB, default)).ShouldBe(new DiskChange());
        (await able.GrowDiskAsync(id, "one", 4 * Limits.MiB, default)).ShouldBe(new DiskChange());
        (await Should.ThrowAsync<Refusal>(() => able.GrowDiskAsync(id, "one", 2 * Limits.MiB, default))).Code.ShouldBe("volume.no_shrink");
        (await _root.Context.Pools.Of(null).FindAsync(InstanceDisks.NameOf(id, "one"), default)).SizeBytes.ShouldBe(4 * Limits.MiB);

        await ((IPause)_driver).PauseAsync(id, default);
        _root.Context.Folders.Write(_root.Context.Folders.Read(id) with { Volumes = [Disk("one")] });
        (await able.UnplugDiskAsync(id, "two", default)).ShouldBe(new DiskChange(vm ? DiskReasons.Unanswered : DiskReasons.NoUnplug));

        static VolumeSpec Disk(string name) => new(name, VolumeDevice.Disk, null, null, 2 * Limits.MiB, VolumeBus.Virtio, VolumeCache.Writeback, false);
    }
}
