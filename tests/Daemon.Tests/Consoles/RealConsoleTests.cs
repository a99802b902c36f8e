using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Consoles;

/// <summary>The console of a real machine, whose daemon is killed while somebody is at it.</summary>
public sealed class RealConsoleTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Fact]
    public async Task A_shell_in_a_guest_is_typed_into_and_found_again_after_the_death_of_the_daemon()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        await machines.LaunchAsync("web1", InstanceKind.Microvm);
        long offset;
        await using (var console = await ConsoleTypist.OpenAsync(machines.Api, "web1"))
        {
            await console.WaitForAsync("web1:/# ");
            await console.TypeAsync("echo $((6*7))\r");
            await console.WaitForAsync("\r\n42\r\n");
            await console.WaitForAsync("# ");
            await console.TypeAsync("sleep 3; echo while you were $((1+1)) away\r");
            await console.WaitForAsync("away\r\n");
            offset = console.Offset;
            await machines.Daemon.KillAsync();
            (await console.UntilEndAsync()).ShouldBeNull();
        }

        await machines.Daemon.StartAsync();
        await Eventually.ShouldBeAsync(async () => (await machines.Api.GetHealthAsync()).Status, "ok");
        await using var again = await ConsoleTypist.OpenAsync(machines.Api, "web1", new() { Since = offset });
        await again.WaitForAsync("while you were 2 away\r\n");
        again.Missed.ShouldBe(0);
        await again.WaitForAsync("# ");
        await again.TypeAsync("poweroff -f\r");
        (await again.UntilEndAsync()).ShouldBe(ConsoleEnd.Stopped);
        again.End!.Reason.ShouldBe("the guest powered itself off");
    }
}
