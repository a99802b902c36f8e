using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Host;

namespace Gantry.Daemon.Tests.Soak;

/// <summary>Real machines, many and for long. `./dev soak` runs these.</summary>
[Trait("Category", "Soak")]
public sealed class MachineSoakTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private const string Up = "micro is up";

    [Fact]
    public async Task A_hundred_boots_in_a_row_come_up() => await BootsAsync(100, busy: false);

    [Fact]
    public async Task Twenty_boots_come_up_while_every_core_is_busy() => await BootsAsync(20, busy: true);

    [Fact]
    public async Task Two_hundred_are_made_and_deleted_at_once_under_faults_and_nothing_is_left()
    {
        const int instances = 200;
        await using var machines = await RealMachines.WithMicroAsync(Database);
        var before = Leftovers.Of(machines.Root);
        using var enough = new CancellationTokenSource();
        var faults = FaultsAsync(machines, enough.Token);

        await Parallel.ForEachAsync(Enumerable.Range(0, instances), new ParallelOptions { MaxDegreeOfParallelism = 20 }, async (i, _) =>
        {
            await InsistAsync(() => machines.Api.CreateInstanceAsync(new() { Name = $"soak-{i}", Image = "micro", StartNow = true }, 120), "instance.name_taken");
            await InsistAsync(() => machines.Api.DeleteInstanceAsync($"soak-{i}", force: true, 120), "instance.unknown");
        });

        await enough.CancelAsync();
        await faults;
        (await machines.Api.ListInstancesAsync("?limit=1000")).Items.ShouldBeEmpty();
        await Eventually.ShouldBeAsync(() => Task.FromResult(Leftovers.Of(machines.Root)), before);
    }

    private async Task BootsAsync(int boots, bool busy)
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        await RunningDaemon.DoneAsync(machines.Api.CreateInstanceAsync(new() { Name = "again", Image = "micro" }, 60));
        using var idle = new CancellationTokenSource();
        var spinning = Enumerable.Range(0, busy ? Environment.ProcessorCount : 0).Select(_ => Task.Factory.StartNew(() =>
        {
            while (!idle.IsCancellationRequested)
            {
                Thread.SpinWait(1 << 16);
            }
        }, TaskCreationOptions.LongRunning)).ToArray();
        try
        {
            for (var boot = 0; boot < boots; boot++)
            {
                var seen = (await machines.Api.GetLogsAsync("again")).End;
                await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync("again", InstanceAction.Start, 120));
                await Eventually.ShouldBeAsync(async () => (await machines.Api.GetLogsAsync("again", since: seen)).Text.Contains(Up, StringComparison.Ordinal), true);
                await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync("again", InstanceAction.Stop, 120));
            }
        }
        finally
        {
            await idle.CancelAsync();
            await Task.WhenAll(spinning);
            await RunningDaemon.DoneAsync(machines.Api.DeleteInstanceAsync("again", force: true, 60));
        }
    }

    /// <summary>Until it is done, whatever is in the way: its QEMU was killed, its daemon is away, it was done before the answer came.</summary>
    private static async Task InsistAsync(Func<Task<Operation>> ask, string done)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                if ((await ask()).State == OperationState.Succeeded)
                {
                    return;
                }
            }
            catch (Refusal refusal) when (refusal.Code == done)
            {
                return;
            }
            catch (Exception e) when (e is Refusal or InvalidOperationException && tries < 1000)
            {
                // A daemon that restarts, an operation that is in the way, a machine that did not start.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System);
        }
    }

    /// <summary>Kills a QEMU or a supervisor every third of a second, and the daemon every ten seconds.</summary>
    private static async Task FaultsAsync(RealMachines machines, CancellationToken enough)
    {
        var random = new Random(20261121);
        for (var round = 1; !enough.IsCancellationRequested; round++)
        {
            if (round % 30 == 0)
            {
                await machines.Daemon.KillAsync();
                await machines.Daemon.StartAsync();
            }

            var processes = Leftovers.GuestsOf(machines.Root);
            if (processes.Count > 0)
            {
                Posix.Kill(processes[random.Next(processes.Count)], Posix.SigKill);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(330), TimeProvider.System, CancellationToken.None);
        }
    }
}
