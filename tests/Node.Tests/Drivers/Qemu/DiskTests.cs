using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Drivers;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>Disks of real guests, changed while these run.</summary>
public sealed class DiskTests(TestImages images) : IAsyncLifetime
{
    private readonly DiskRig _rig = new(images);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Disks_are_plugged_in_limited_grown_and_pulled_out_while_the_guest_uses_them()
    {
        await _rig.GivenAsync(InstanceKind.Vm, DiskRig.Disk("first"), DiskRig.Disk("last", 2 * Limits.MiB));
        await _rig.StartAsync();
        (await _rig.AskAsync("cat /sys/block/vd*/serial; echo; ls /sys/block")).ShouldContain("firstlast");

        // Plugged in, twice the same as once, and read after what was written.
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("more") with { Limits = new() { ReadOperationsPerSecond = 100_000 } }, default)).ShouldBe(new DiskChange());
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("more") with { Limits = new() { ReadOperationsPerSecond = 100_000 } }, default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("while [ ! -b /dev/vdc ]; do sleep 0.1; done; cat /sys/block/vdc/serial; echo; echo kept >/dev/vdc; sync; echo 3 >/proc/sys/vm/drop_caches; head -c 5 /dev/vdc")).ShouldBe(["more", "kept"]);

        // Limits hold at once and go at once: a quarter of a MiB at 64 KiB a second takes seconds.
        (await _rig.Node.LimitDiskAsync(_rig.Id, "more", new() { WriteBytesPerSecond = 64 << 10 }, default)).ShouldBe(new DiskChange());
        (await MillisecondsOfAsync("dd if=/dev/zero of=/dev/vdc bs=64k count=5 seek=1 oflag=direct 2>/dev/null")).ShouldBeGreaterThan(2500);
        (await _rig.Node.LimitDiskAsync(_rig.Id, "more", null, default)).ShouldBe(new DiskChange());
        (await MillisecondsOfAsync("dd if=/dev/zero of=/dev/vdc bs=64k count=64 seek=1 oflag=direct 2>/dev/null")).ShouldBeLessThan(60_000);

        // Larger, as the guest sees without a restart, and never smaller.
        (await _rig.Node.GrowDiskAsync(_rig.Id, "more", 24 * Limits.MiB, default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("while [ $(cat /sys/block/vdc/size) != 49152 ]; do sleep 0.1; done; blockdev --getsize64 /dev/vdc")).ShouldBe(["25165824"]);
        (await _rig.DiskAsync("more")).SizeBytes.ShouldBe(24 * Limits.MiB);
        (await Should.ThrowAsync<Refusal>(() => _rig.Node.GrowDiskAsync(_rig.Id, "more", 16 * Limits.MiB, default))).Code.ShouldBe("volume.no_shrink");

        // Pulled out: those it was started with and those that came later. None of their files is open then.
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "first", default)).ShouldBe(new DiskChange());
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "more", default)).ShouldBe(new DiskChange());
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "more", default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("ls /sys/block | grep vd; cat /sys/block/vdb/serial; echo")).ShouldBe(["vdb", "last"]);
        (await _rig.OpenFilesAsync()).ShouldHaveSingleItem().ShouldContain("/last/");

        // And in again, at the same place as after the next start.
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("more", 24 * Limits.MiB), default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("while ! cat /sys/block/vd*/serial | grep -q more; do sleep 0.1; done; for d in /sys/block/vd*; do echo $(cat $d/serial) $(basename $(readlink -f $d/device/..)); done")).Order(StringComparer.Ordinal).ShouldBe(
            await PlacesAfterRestartAsync());
    }

    private async Task<string[]> PlacesAfterRestartAsync()
    {
        await _rig.Node.StopAsync(_rig.Id, default);
        await _rig.StartAsync();
        return [.. (await _rig.AskAsync("for d in /sys/block/vd*; do echo $(cat $d/serial) $(basename $(readlink -f $d/device/..)); done")).Order(StringComparer.Ordinal)];
    }

    private async Task<int> MillisecondsOfAsync(string command)
    {
        var times = await _rig.AskAsync($"cut -d' ' -f1 /proc/uptime; {command}; cut -d' ' -f1 /proc/uptime");
        return (int)((double.Parse(times[^1], CultureInfo.InvariantCulture) - double.Parse(times[0], CultureInfo.InvariantCulture)) * 1000);
    }
}
