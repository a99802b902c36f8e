using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Snapshots;

/// <summary>
/// Snapshots of a real guest that writes numbered blocks without end, each flushed before the next. Whatever happens to QEMU and to
/// the daemon, every snapshot holds all blocks that were written before it was asked for, whole and in order, and none from long after it was taken.
/// </summary>
public sealed class RealSnapshotTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private const string Guest = "writer";

    // How many blocks there must be in each snapshot at least, and at most.
    private readonly Dictionary<string, (int Least, int Most)> _bounds = [];

    [Fact]
    public async Task Ten_snapshots_with_a_branch_lose_nothing_by_deletions_restores_and_kills_while_the_guest_writes()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        var guest = new WritingGuest(machines, Guest);
        var id = (await guest.LaunchAsync()).Id;
        await guest.WroteAsync(4);
        foreach (var name in (string[])["s1", "s2", "s3", "s4", "s5"])
        {
            await TakeAsync(machines, guest, name);
        }

        // QEMU is killed: the guest finds all it had flushed.
        var flushed = await guest.WroteAsync();
        await guest.KillAsync();
        await guest.StartAsync();
        (await guest.FoundAsync(1)).ShouldBeGreaterThan(flushed);

        // A branch: the guest is back where it was in s3, and the others stay.
        await RunningDaemon.DoneAsync(machines.Api.RestoreSnapshotAsync(Guest, "s3", new(Stop: true, Start: true), 120));
        (await guest.FoundAsync(2)).ShouldBe(await BlocksAsync(machines, id, "s3"));
        foreach (var name in (string[])["b1", "b2", "b3", "b4", "b5"])
        {
            await TakeAsync(machines, guest, name);
        }

        (await TreeAsync(machines)).ShouldBe("s1, s2<s1, s3<s2, s4<s3, s5<s4, b1<s3, b2<b1, b3<b2, b4<b3, b5<b4*");
        foreach (var name in (string[])["s2", "b2", "s4"])
        {
            var before = await guest.WroteAsync();
            await RunningDaemon.DoneAsync(machines.Api.DeleteSnapshotAsync(Guest, name, 120));
            await guest.WroteAsync(before + 1);
        }

        await ShouldBeWholeAsync(machines, id, "s1, s3<s1, s5<s3, b1<s3, b3<b1, b4<b3, b5<b4*");

        // The daemon is killed in the middle of each, and its next run ends it.
        await machines.KilledAsync(Guest, "snapshot.create:1:after", api => api.CreateSnapshotAsync(Guest, new("c1"), 60));
        var least = await guest.WroteAsync();
        _bounds["c1"] = (_bounds["b5"].Least, least + 2);
        await machines.KilledAsync(Guest, "snapshot.delete:2:after", api => api.DeleteSnapshotAsync(Guest, "b4", 60));
        await machines.KilledAsync(Guest, "snapshot.restore:3:after", api => api.RestoreSnapshotAsync(Guest, "b1", new(Stop: true, Start: true), 60));
        await guest.WroteAsync(await guest.FoundAsync(3) + 1);
        await TakeAsync(machines, guest, "d1");
        await ShouldBeWholeAsync(machines, id, "s1, s3<s1, s5<s3, b1<s3, b3<b1, b5<b3, c1<b5, d1<b1*");

        // QEMU is killed while layers become one.
        await TakeAsync(machines, guest, "d2");
        var deletion = await machines.Api.DeleteSnapshotAsync(Guest, "d1");
        await guest.KillAsync();
        await RunningDaemon.DoneAsync(machines.Api.GetOperationAsync(deletion.Id, 120));
        await ShouldBeWholeAsync(machines, id, "s1, s3<s1, s5<s3, b1<s3, b3<b1, b5<b3, c1<b5, d2<b1*");

        await machines.DeleteAsync(Guest);
        Directory.Exists($"{machines.Root}/data/pools/local/{id}").ShouldBeFalse();
    }

    /// <summary>Its firmware comes up without a disk to boot from, which is all of a guest that is needed here.</summary>
    [Fact]
    public async Task A_machine_with_UEFI_and_a_TPM_runs_on_after_its_snapshot_and_gets_both_back()
    {
        await using var machines = await RealMachines.StartAsync(Database);
        await RunningDaemon.DoneAsync(machines.Api.CreateInstanceAsync(new()
        {
            Name = "pc",
            Kind = InstanceKind.Vm,
            MemoryBytes = 256 * Limits.MiB,
            Boot = new() { Firmware = Firmware.Uefi },
            Security = new() { Tpm = true },
            Volumes = [new() { Name = "one", SizeBytes = 16 * Limits.MiB }, new() { Name = "two", SizeBytes = 16 * Limits.MiB }],
            StartNow = true,
        }, 120));
        var folder = $"{machines.Root}/data/instances/{(await machines.Api.GetInstanceAsync("pc")).Id}";
        await Eventually.ShouldBeAsync(() => Task.FromResult(Directory.GetFiles($"{folder}/tpm").Any(f => f.EndsWith(".permall", StringComparison.Ordinal))), true);
        await RunningDaemon.DoneAsync(machines.Api.CreateSnapshotAsync("pc", new("s1"), 120));
        (await machines.Api.GetInstanceAsync("pc")).State.ShouldBe(InstanceState.Running);
        File.Exists($"{machines.Root}/run/instances/{Path.GetFileName(folder)}/halted").ShouldBeFalse();

        await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync("pc", InstanceAction.Stop, 120));
        var kept = $"{folder}/snapshots/{(await machines.Api.GetSnapshotAsync("pc", "s1")).Id}";
        var permall = Path.GetFileName(Directory.GetFiles($"{kept}/tpm").Single(f => f.EndsWith(".permall", StringComparison.Ordinal)));
        await File.WriteAllTextAsync($"{folder}/nvram", "broken");
        await File.WriteAllTextAsync($"{folder}/tpm/{permall}", "broken");
        await RunningDaemon.DoneAsync(machines.Api.RestoreSnapshotAsync("pc", "s1", new(), 120));
        (await File.ReadAllBytesAsync($"{folder}/nvram")).ShouldBe(await File.ReadAllBytesAsync($"{kept}/nvram"));
        (await File.ReadAllBytesAsync($"{folder}/tpm/{permall}")).ShouldBe(await File.ReadAllBytesAsync($"{kept}/tpm/{permall}"));

        // The TPM may read what is its own again: without it, the machine would not run.
        await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync("pc", InstanceAction.Start, 120));
        (await machines.Api.GetInstanceAsync("pc")).State.ShouldBe(InstanceState.Running);
        await machines.DeleteAsync("pc");
    }

    private async Task TakeAsync(RealMachines machines, WritingGuest guest, string name)
    {
        var least = await guest.WroteAsync() + 1;
        await RunningDaemon.DoneAsync(machines.Api.CreateSnapshotAsync(Guest, new(name), 120));
        _bounds[name] = (least, await guest.WroteAsync() + 2);
        await guest.WroteAsync(least + 1);
    }

    private static async Task<string> TreeAsync(RealMachines machines) =>
        string.Join(", ", (await machines.Api.ListSnapshotsAsync(Guest)).Items.Select(s => $"{s.Name}{(s.Parent is null ? "" : $"<{s.Parent}")}{(s.Current ? "*" : "")}"));

    private async Task ShouldBeWholeAsync(RealMachines machines, Id<Instance> id, string tree)
    {
        (await TreeAsync(machines)).ShouldBe(tree);
        foreach (var name in (await machines.Api.ListSnapshotsAsync(Guest)).Items.Select(s => s.Name))
        {
            var verdict = (await RunningDaemon.DoneAsync(machines.Api.VerifySnapshotAsync(Guest, name, 120))).Result!.Value;
            verdict.GetProperty("faults").GetArrayLength().ShouldBe(0, $"{name}: {verdict}");
            var blocks = await BlocksAsync(machines, id, name);
            var (least, most) = _bounds[name];
            blocks.ShouldBeInRange(least, most, name);
        }
    }

    private static async Task<int> BlocksAsync(RealMachines machines, Id<Instance> id, string name) =>
        NumberedBlocks.Count(await SnapshotContents.ReadAsync(machines.Root, id, "data", (await machines.Api.GetSnapshotAsync(Guest, name)).Id));
}
