using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Snapshots;
using Gantry.Node.Tests.Drivers.Qemu;

namespace Gantry.Node.Tests.Snapshots;

/// <summary>Snapshots with memory of a real guest, in which a counter counts: it goes on from the value it had, or not at all.</summary>
public sealed partial class MemorySnapshotTests(TestImages images) : IAsyncDisposable
{
    private const string Counts = "n=0; while :; do n=$((n+1)); echo \"counted $n.\"; sleep 0.1; done &";

    private readonly DiskRig _rig = new(images);
    private readonly Id<Snapshot> _snapshot = Id<Snapshot>.New();

    private LocalNode Node => _rig.Node;

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Theory]
    [InlineData(InstanceKind.Microvm)]
    [InlineData(InstanceKind.Vm)]
    public async Task A_guest_goes_on_from_the_value_its_counter_had(InstanceKind kind)
    {
        await CountingAsync(kind);
        var before = await CountedAsync(3);
        var reported = 0L;
        var taken = await Node.TakeSnapshotAsync(_rig.Id, _snapshot, default, new(Memory: true), done => reported = done.TotalBytes);
        (taken.Record.Level, taken.Record.State).ShouldBe((SnapshotLevel.Application, InstanceState.Running));
        taken.Record.Memory!.Bytes.ShouldBeGreaterThan(8 * Limits.MiB);
        (await Node.InspectAsync(_rig.Id, default)).State.ShouldBe(InstanceState.Running);
        var after = await CountedAsync(before + 30);
        (await Node.VerifySnapshotAsync(_rig.Id, _snapshot, taken.Sha256, default)).ShouldBeEmpty();

        await Node.StopAsync(_rig.Id, default);
        var length = await LengthAsync();
        await Node.DemandRestorableAsync(_rig.Id, _snapshot, taken.Sha256, default, memory: true);
        await Node.RestoreSnapshotAsync(_rig.Id, _snapshot, default);
        await Node.ContinueFromSnapshotAsync(_rig.Id, _snapshot, pause: true, default);
        (await Node.InspectAsync(_rig.Id, default)).State.ShouldBe(InstanceState.Paused);
        await Node.ContinueFromSnapshotAsync(_rig.Id, _snapshot, pause: false, default);
        (await Node.InspectAsync(_rig.Id, default)).State.ShouldBe(InstanceState.Running);
        await DiskRig.Eventually(async () => Counted(await SaidAsync(length)).Count > 3);
        var (first, text) = (Counted(await SaidAsync(length))[0], await SaidAsync(length));
        first.ShouldBeInRange(before, after - 10, text);
        text.ShouldNotContain("micro is up");
        await _rig.DemandOpenAsync("data");
        (await _rig.AskAsync("dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync 2>&1 | tail -n 1")).ShouldNotBeEmpty();
    }

    private async Task CountingAsync(InstanceKind kind)
    {
        await _rig.GivenAsync(kind, DiskRig.Disk("data"));
        await _rig.StartAsync();
        await _rig.TypeAsync(Counts);
    }

    private async Task<int> CountedAsync(int least)
    {
        var last = 0;
        await DiskRig.Eventually(async () => (last = Counted(await SaidAsync(0)).LastOrDefault()) >= least);
        return last;
    }

    private async Task<long> LengthAsync() => (await Node.ReadSerialAsync(_rig.Id, 1, default)).End;

    private async Task<string> SaidAsync(long since) => (await Node.ReadSerialAsync(_rig.Id, 1 << 20, default, since)).Text;

    private static List<int> Counted(string text) => [.. Count().Matches(text).Select(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))];

    [GeneratedRegex(@"counted ([0-9]+)\.", RegexOptions.CultureInvariant)]
    private static partial Regex Count();
}
