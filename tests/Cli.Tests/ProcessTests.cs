using System.Diagnostics;
using Gantry.Contracts;
using Microsoft.AspNetCore.Http;

namespace Gantry.Cli.Tests;

/// <summary>What only a process of its own shows: pipes, signals, shells. GANTRY_BINARY names the published one; else it is the one built beside the tests.</summary>
public sealed class ProcessTests : IDisposable
{
    private static readonly string Binary = Environment.GetEnvironmentVariable("GANTRY_BINARY") is { Length: > 0 } given ? Path.GetFullPath(given) : Path.Combine(AppContext.BaseDirectory, "gantry");
    private readonly string _folder = Directory.CreateTempSubdirectory("gantry-cli-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_reader_that_leaves_ends_it_silently()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /instances", new Page<Instance>([.. Enumerable.Range(1, 999).Select(i => Samples.Instance($"web{i}"))], null), WireJson.Default.PageInstance)
            .On("GET /events", async context =>
            {
                for (var i = 1; !context.RequestAborted.IsCancellationRequested; i++)
                {
                    await context.Response.WriteAsync($"data: {Samples.Event(i)}\n\n");
                    await context.Response.Body.FlushAsync();
                    await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
                }
            });
        (await BashAsync("set -o pipefail; gantry list | head -1 | cut -c 1-4", daemon)).ShouldBe(new CliResult(0, "NAME\n", ""));
        (await BashAsync("set -o pipefail; gantry list -o json | head -c 9", daemon)).ShouldBe(new CliResult(0, "{\"items\":", ""));
        (await BashAsync("set -o pipefail; gantry events --follow -q | head -1", daemon)).ShouldBe(new CliResult(0, "instance.started\n", ""));
    }

    [Fact]
    public async Task Two_commands_may_write_one_file()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /instances", new Page<Instance>([Samples.Instance()], null), WireJson.Default.PageInstance);
        (await BashAsync("(gantry list -q; echo between; gantry list -q) > both; cat both", daemon)).Out.ShouldBe("web1\nbetween\nweb1\n");
    }

    [Fact]
    public async Task A_full_disk_is_told()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("GET /system", "{}");
        var result = await BashAsync("gantry query GET /system > /dev/full", daemon);
        result.Code.ShouldBe(1);
        result.Error.ShouldStartWith("Error: Cannot write: No space left on device.\n");
    }

    [Fact]
    public async Task An_interrupt_ends_the_waiting_and_not_the_operation()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("POST /instances/web1/start", Samples.Operation(), WireJson.Default.Operation, 202)
            .On($"GET /operations/{Samples.OperationId}", context => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted));
        var result = await BashAsync("set -m; gantry start web1 & sleep 1.5; kill -INT $!; wait $!", daemon);
        result.Code.ShouldBe(130);
        result.Error.ShouldContain($"gantry operation wait {Samples.OperationId}");
    }

    [Fact]
    public async Task A_body_may_come_from_standard_input()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("POST /instances", "{\"a\":1}", 202);
        (await BashAsync("echo '{\"name\":\"x\"}' | gantry query post /api/v1/instances -", daemon)).ShouldBe(new CliResult(0, "{\"a\":1}", ""));
        daemon.Requests.Single().Body.ShouldBe("{\"name\":\"x\"}\n");
    }

    [Fact]
    public async Task A_configuration_is_checked_by_the_daemons_own_program()
    {
        File.WriteAllText(Path.Combine(_folder, "gantryd"), "#!/bin/sh\necho \"asked: $*\"\necho bad >&2\nexit 1\n");
        (await BashAsync("chmod +x gantryd; gantry config check --root /r x.yaml", null)).ShouldBe(new CliResult(1, $"asked: config check --root /r {_folder}/x.yaml\n", "bad\n"));
        (await BashAsync("gantry config show --root /nonexistent", null)).ShouldBe(new CliResult(1, "", "No daemon answers; this is what one would start with.\nbad\n"));
    }

    [Fact]
    public async Task A_configuration_is_shown_by_the_daemons_own_program_as_the_daemon_would()
    {
        File.WriteAllText(Path.Combine(_folder, "gantryd"), """
            #!/bin/sh
            echo '{"items":[{"name":"log.level","value":"debug","source":"default","description":"How much is told."}]}'
            """);
        (await BashAsync("chmod +x gantryd; gantry config show --root /nonexistent", null)).Out.ShouldMatch(@"SETTING +VALUE +FROM +DESCRIPTION\s+log.level +debug +default +How much is told.");
    }

    [Theory]
    [InlineData("bash", "-n")]
    [InlineData("zsh", "-n")]
    [InlineData("fish", "--no-execute")]
    public async Task The_completion_script_parses(string shell, string only)
    {
        (await BashAsync($"gantry completion {shell} > script && {shell} {only} script", null)).ShouldBe(new CliResult(0, "", ""));
    }

    [Theory]
    [InlineData("gantry la", "launch")]
    [InlineData("gantry image ", "build import create list info rename describe delete")]
    [InlineData("gantry launch ", "micro debian")]
    [InlineData("gantry launch micro ", "")]
    [InlineData("gantry launch --ki", "--kind")]
    [InlineData("gantry launch --kind m", "microvm")]
    [InlineData("gantry start web1 ", "web2 db")]
    [InlineData("gantry info d", "db")]
    [InlineData("gantry -o ", "table json yaml")]
    [InlineData("gantry list --root /x --fi", "--filter")]
    public async Task Bash_completes(string typed, string candidates)
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /instances", new Page<Instance>([Samples.Instance(), Samples.Instance("web2"), Samples.Instance("db"), Samples.Instance("$(reboot)\u001b")], null), WireJson.Default.PageInstance)
            .On("GET /images", new Page<Image>([Samples.Image(), Samples.Image("debian")], null), WireJson.Default.PageImage);
        var words = string.Join(' ', typed.Split(' ').Select(word => $"'{word}'"));
        var result = await BashAsync($"""
            eval "$(command gantry completion bash)"
            COMP_LINE='{typed}'; COMP_POINT=${"{#COMP_LINE}"}; COMP_WORDS=({words}); COMP_CWORD=$(({typed.Split(' ').Length - 1}))
            _gantry; echo "${"{COMPREPLY[*]}"}"
            """, daemon);
        result.ShouldBe(new CliResult(0, candidates + "\n", ""));
    }

    [Theory]
    [InlineData("gantry console web1", "\\035", 0)]
    [InlineData("gantry console web1 --detach-key ^a", "\\035\\003\\001", 0)]
    [InlineData("timeout --foreground --preserve-status 4 gantry console web1", "", 130)]
    [InlineData("gantry console web1", "end\\r", 0)]
    public async Task A_console_hands_over_every_key_and_leaves_the_terminal_as_it_was(string command, string keys, int code)
    {
        var console = new FakeConsole { EndsAt = "end\r" };
        await using var daemon = console.On(await FakeDaemon.StartAsync());
        var script = $"stty rows 43 cols 132; stty -a > before; {command}; echo code $? > code; stty -a > after";
        (await BashAsync($"(until grep -q guest shown; do sleep 0.1; done 2>/dev/null; printf '{keys}'; until [ -e after ]; do sleep 0.1; done) | script -qec '{script}' /dev/null > shown; diff before after && cat code", daemon)).ShouldBe(new CliResult(0, $"code {code}\n", ""));

        console.Size.ShouldBe("132x43");
        var shown = File.ReadAllText(Path.Combine(_folder, "shown"));
        shown.ShouldContain("guest\u001b[6n\r\n");
        (console.Typed is "" or "\u001d\u0003" or "end\r").ShouldBeTrue(console.Typed);
        shown.ShouldContain(keys.StartsWith("end", StringComparison.Ordinal) ? "'web1' stopped: it said so" : code == 0 ? "Left the console" : "leaves it");
    }

    [Fact]
    public async Task Completion_of_names_is_silent_and_quick_without_a_daemon()
    {
        var began = Stopwatch.StartNew();
        (await BashAsync("gantry complete -- start ''", null)).ShouldBe(new CliResult(0, "", ""));
        began.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(5));
    }

    /// <summary>`gantry` in the script is the binary, talking to the fake daemon by GANTRY_ROOT.</summary>
    private async Task<CliResult> BashAsync(string script, FakeDaemon? daemon)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "root/run"));
        if (daemon is not null)
        {
            File.Delete(Path.Combine(_folder, "root/run/gantry.sock"));
            File.CreateSymbolicLink(Path.Combine(_folder, "root/run/gantry.sock"), daemon.Socket);
        }

        Directory.CreateDirectory(Path.Combine(_folder, "bin"));
        File.Delete(Path.Combine(_folder, "bin/gantry"));
        File.CreateSymbolicLink(Path.Combine(_folder, "bin/gantry"), Binary);
        var start = new ProcessStartInfo("bash", ["-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = _folder };
        start.Environment["GANTRY_ROOT"] = Path.Combine(_folder, "root");
        start.Environment["PATH"] = $"{_folder}/bin:{_folder}:{Environment.GetEnvironmentVariable("PATH")}";
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            var error = process.StandardError.ReadToEndAsync(deadline.Token);
            var output = await process.StandardOutput.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            return new CliResult(process.ExitCode, output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }
}
