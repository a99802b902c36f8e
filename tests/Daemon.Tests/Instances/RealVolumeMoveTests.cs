using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>Moves of a disk that a real guest writes to.</summary>
public sealed class RealVolumeMoveTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Fact]
    public async Task A_disk_that_moves_between_pools_while_its_guest_writes_loses_nothing_whoever_is_killed()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        var pool = Directory.CreateDirectory($"{machines.Root}/other").FullName;
        await RunningDaemon.DoneAsync(machines.Api.CreatePoolAsync(new() { Name = "other", Kind = PoolKind.Dir, Source = $"{pool}/gantry" }, 60));
        var guest = new WritingGuest(machines, "writer");
        var id = (await guest.LaunchAsync()).Id;
        await guest.WroteAsync(4);
        await RunningDaemon.DoneAsync(machines.Api.MoveVolumeAsync(guest.Name, "data", new("other"), 120));
        await GoesOnAfterKillAsync(1);

        // The daemon is killed before the copying ends, and right after it.
        await machines.KilledAsync(guest.Name, "volume.move:1:before", api => api.MoveVolumeAsync(guest.Name, "data", new("local"), 60));
        await machines.KilledAsync(guest.Name, "volume.move:1:after", api => api.MoveVolumeAsync(guest.Name, "data", new("other"), 60));
        await GoesOnAfterKillAsync(2);
        Directory.GetFiles(pool, "*.qcow2", SearchOption.AllDirectories).ShouldHaveSingleItem();
        Directory.Exists($"{machines.Root}/data/pools/local/{id}/data").ShouldBeFalse();
        await machines.DeleteAsync(guest.Name);

        async Task GoesOnAfterKillAsync(int start)
        {
            var flushed = await guest.WroteAsync(await guest.WroteAsync() + 2);
            await guest.KillAsync();
            await guest.StartAsync();
            (await guest.FoundAsync(start)).ShouldBeGreaterThan(flushed);
        }
    }
}
