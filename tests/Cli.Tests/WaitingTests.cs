using System.Diagnostics;
using Gantry.Contracts;
using Microsoft.AspNetCore.Http;

namespace Gantry.Cli.Tests;

public sealed class WaitingTests
{
    private static readonly string Asked = $"GET /operations/{Samples.OperationId}";

    private static async Task<FakeDaemon> GivenLaunchAsync(params Operation[] course)
    {
        var daemon = (await FakeDaemon.StartAsync()).On("POST /instances", Samples.Operation(OperationState.Queued, "instance.create"), WireJson.Default.Operation, 202);
        foreach (var answer in course)
        {
            daemon.On(Asked, answer, WireJson.Default.Operation);
        }

        return daemon;
    }

    [Fact]
    public async Task A_launch_waits_for_its_end_and_sends_what_was_asked_for()
    {
        await using var daemon = await GivenLaunchAsync(Samples.Operation(), Samples.Operation(OperationState.Succeeded));
        var result = await CliRig.RunAsync(daemon, "launch", "micro", "web1", "--kind", "microvm", "--cpus", "2", "--memory", "1GiB", "--driver", "qemu",
            "--kernel", "/k", "--initrd", "/i", "--command-line", "quiet x=1", "--label", "a=1", "--label", "b=x=y", "--description", "d", "--auto-start");
        result.ShouldBe(new CliResult(0, "web1 launched\n", ""));
        daemon.Requests.First().Body.ShouldBe("""{"name":"web1","startNow":true,"kind":"microvm","driver":"qemu","image":"micro","cpus":2,"memoryBytes":1073741824,"description":"d","labels":{"a":"1","b":"x=y"},"boot":{"kernel":"/k","initrd":"/i","commandLine":"quiet x=1"},"autoStart":true}""");
        daemon.Requests.Skip(1).Select(seen => seen.Query).ShouldBe(["?wait=60", "?wait=60"]);
    }

    [Fact]
    public async Task What_is_left_out_is_left_to_the_daemon()
    {
        await using var daemon = await GivenLaunchAsync(Samples.Operation(OperationState.Succeeded));
        (await CliRig.RunAsync(daemon, "create", "micro", "web1", "-q")).Out.ShouldBe("web1\n");
        daemon.Requests.First().Body.ShouldBe("""{"name":"web1","startNow":false,"image":"micro"}""");
    }

    [Fact]
    public async Task A_failed_operation_is_told_as_its_own_refusal()
    {
        await using var daemon = await GivenLaunchAsync(Samples.Operation(OperationState.Failed));
        (await CliRig.RunAsync(daemon, "launch", "micro", "web1")).ShouldBe(new CliResult(1, "", "Error: QEMU ended at once: no such kernel.\nCheck --kernel.\n"));
    }

    [Fact]
    public async Task A_wait_that_is_answered_with_the_refusal_is_understood_too()
    {
        await using var daemon = await GivenLaunchAsync();
        daemon.Refuses(Asked, Refusal.Unavailable("driver.died", "x", "y")).On(Asked, Samples.Operation(OperationState.Failed), WireJson.Default.Operation);
        (await CliRig.RunAsync(daemon, "launch", "micro", "web1")).Error.ShouldBe("Error: QEMU ended at once: no such kernel.\nCheck --kernel.\n");
    }

    [Fact]
    public async Task A_cancelled_operation_is_a_failure()
    {
        await using var daemon = await GivenLaunchAsync(Samples.Operation(OperationState.Cancelled));
        var result = await CliRig.RunAsync(daemon, "launch", "micro", "web1");
        result.Code.ShouldBe(1);
        result.Error.ShouldContain("was cancelled");
    }

    [Fact]
    public async Task Without_waiting_the_operation_is_printed()
    {
        await using var daemon = await GivenLaunchAsync();
        (await CliRig.RunAsync(daemon, "launch", "micro", "web1", "--no-wait")).ShouldBe(new CliResult(0, $"{Samples.OperationId}\n", ""));
        daemon.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Progress_is_drawn_on_a_terminal_and_gone_at_the_end()
    {
        await using var daemon = await GivenLaunchAsync(
            Samples.Operation() with { Progress = new Progress("unpack\u001b kernel", 50, 3 << 20, 6 << 20, 1 << 20, 62) }, Samples.Operation(OperationState.Succeeded));
        var result = await new CliRig { Socket = daemon.Socket, ErrorIsTerminal = true }.RunAsync("launch", "micro", "web1");
        result.Out.ShouldBe("web1 launched\n");
        result.Error.ShouldBe("\r\u001b[Kunpack\\x1b kernel  [############............]   50 %  3 MiB of 6 MiB  1 MiB/s  1 min 2 s left  (0 s)\r\u001b[K");
        daemon.Requests.Last().Query.ShouldBe("?wait=1");
    }

    [Fact]
    public async Task Ctrl_C_leaves_the_operation_and_tells_how_to_find_it()
    {
        using var stop = new CancellationTokenSource();
        await using var daemon = await GivenLaunchAsync();
        daemon.On(Asked, async context =>
        {
            await stop.CancelAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        });
        var result = await new CliRig { Socket = daemon.Socket, Stop = stop.Token }.RunAsync("launch", "micro", "web1");
        Golden.Matches("interrupted", result.Transcript("gantry launch micro web1"));
        daemon.Requests.ShouldNotContain(seen => seen.Method == "DELETE");
    }

    [Fact]
    public async Task A_daemon_that_restarts_meanwhile_is_waited_for()
    {
        await using var daemon = await GivenLaunchAsync();
        var gone = new TaskCompletionSource();
        daemon.On(Asked, context =>
        {
            context.Abort();
            gone.TrySetResult();
            return Task.CompletedTask;
        }).On(Asked, Samples.Operation(OperationState.Succeeded), WireJson.Default.Operation);
        var running = CliRig.RunAsync(daemon, "launch", "micro", "web1");
        await gone.Task;
        await daemon.DownAsync();
        await daemon.UpAsync();
        (await running).ShouldBe(new CliResult(0, "web1 launched\n", ""));
    }

    [Fact]
    public async Task An_operation_that_takes_longer_than_the_timeout_is_exit_code_6()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On(Asked, Samples.Operation(), WireJson.Default.Operation);
        var began = Stopwatch.StartNew();
        var result = await CliRig.RunAsync(daemon, "operation", "wait", Samples.OperationId.ToString(), "--timeout", "0.2");
        began.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(10));
        result.Code.ShouldBe(6);
        result.Error.ShouldStartWith($"Error: Operation {Samples.OperationId} (instance.start) is still running after 0 s.\nIt goes on;");
    }

    [Fact]
    public async Task Cancelling_waits_until_it_is_cancelled()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On($"DELETE /operations/{Samples.OperationId}", Samples.Operation(OperationState.Cancelling), WireJson.Default.Operation)
            .On(Asked, Samples.Operation(OperationState.Cancelling), WireJson.Default.Operation)
            .On(Asked, Samples.Operation(OperationState.Cancelled), WireJson.Default.Operation);
        (await CliRig.RunAsync(daemon, "operation", "cancel", Samples.OperationId.ToString())).ShouldBe(new CliResult(0, "instance.start web1 cancelled\n", ""));
    }

    [Fact]
    public async Task A_POST_whose_connection_breaks_is_sent_once_more_under_the_same_key()
    {
        await using var daemon = await FakeDaemon.StartAsync();
        daemon.On("POST /instances", Abort).On("POST /instances", Samples.Operation(OperationState.Queued), WireJson.Default.Operation, 202)
            .On(Asked, Samples.Operation(OperationState.Succeeded), WireJson.Default.Operation);
        (await CliRig.RunAsync(daemon, "launch", "micro", "web1")).Out.ShouldBe("web1 launched\n");
        var posts = daemon.Requests.Where(seen => seen.Method == "POST").ToArray();
        posts.Length.ShouldBe(2);
        posts[0].ShouldBe(posts[1]);
        posts[0].IdempotencyKey.ShouldNotBeNullOrEmpty();
        posts[0].Body.ShouldContain("web1");
    }

    [Fact]
    public async Task It_is_not_sent_a_third_time()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("POST /instances", Abort);
        (await CliRig.RunAsync(daemon, "launch", "micro", "web1")).Code.ShouldBe(7);
        daemon.Requests.Count.ShouldBe(2);
    }

    private static Task Abort(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }
}
