using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Pools;

/// <summary>A volume that goes from one real guest to another while both run.</summary>
public sealed class RealPoolVolumeTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private const string Writer = """
        echo "writer waits."
        while [ ! -b /dev/vda ]; do sleep 0.1; done
        printf 'left by the writer\n' | dd of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null
        echo "writer wrote to $(cat /sys/block/vda/serial)."
        while [ -b /dev/vda ]; do sleep 0.1; done
        echo "writer let go."
        """;

    private const string Reader = """
        echo "reader waits."
        while [ ! -b /dev/vda ]; do sleep 0.1; done
        echo "reader found: $(head -n 1 /dev/vda)."
        """;

    [Fact]
    public async Task A_guest_finds_what_another_wrote_whoever_is_killed_between()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        await machines.LaunchAsync("writer", InstanceKind.Vm, Writer);
        await machines.LaunchAsync("reader", InstanceKind.Vm, Reader);
        await RunningDaemon.DoneAsync(machines.Api.CreatePoolVolumeAsync("local", new("shared", 16 * Limits.MiB), 60));
        await machines.SaysAsync("writer", "writer waits.");
        await RunningDaemon.DoneAsync(machines.Api.AddVolumeAsync("writer", new() { Name = "data", Volume = "shared" }, 120));
        await machines.SaysAsync("writer", "writer wrote to data.");
        (await machines.Api.ListPoolVolumesAsync("local")).Items.ShouldHaveSingleItem().Instance.ShouldBe("writer");

        // The guest has let go of it and the pool has given it away; then the daemon is killed.
        await machines.KilledAsync("writer", "volume.detach:2:after", api => api.DetachVolumeAsync("writer", "data", "left", 60));
        await machines.SaysAsync("writer", "writer let go.");
        (await machines.Api.GetInstanceAsync("writer")).Volumes.ShouldBeEmpty();
        (await machines.Api.GetPoolVolumeAsync("local", "left")).State.ShouldBe(PoolVolumeState.Available);

        await machines.SaysAsync("reader", "reader waits.");
        await RunningDaemon.DoneAsync(machines.Api.AddVolumeAsync("reader", new() { Name = "found", Volume = "left" }, 120));
        await machines.SaysAsync("reader", "reader found: left by the writer.");
        await RunningDaemon.DoneAsync(machines.Api.DetachVolumeAsync("reader", "found", null, 120));
        await machines.DeleteAsync("writer", "reader");
        Directory.GetFiles($"{machines.Root}/data/pools/local", "*.qcow2", SearchOption.AllDirectories).ShouldHaveSingleItem();
        await RunningDaemon.DoneAsync(machines.Api.DeletePoolVolumeAsync("local", "found", 60));
        Directory.GetFiles($"{machines.Root}/data/pools/local", "*.qcow2", SearchOption.AllDirectories).ShouldBeEmpty();
    }
}
