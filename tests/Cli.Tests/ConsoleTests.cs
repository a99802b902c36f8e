using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli.Tests;

/// <summary>A console whose input is a pipe; terminals are in <see cref="ProcessTests"/>.</summary>
public sealed class ConsoleTests
{
    [Fact]
    public async Task What_is_piped_in_is_typed_and_what_the_guest_writes_comes_out_as_it_was()
    {
        var console = new FakeConsole();
        await using var daemon = console.On(await FakeDaemon.StartAsync());

        var result = await new CliRig { Socket = daemon.Socket, Input = "one\n\u001d\ntwo\n" }.RunAsync("console", "web1");

        result.ShouldBe(new CliResult(0, "guest\u001b[6n\r\none\n\u001d\ntwo\n", ""));
        (console.Typed, console.Size).ShouldBe(("one\n\u001d\ntwo\n", null));
    }

    [Theory]
    [InlineData(ConsoleEnd.Stopped, 0, "'web1' stopped: why it did.\n")]
    [InlineData(ConsoleEnd.Deleted, 3, "'web1' was deleted.\n")]
    [InlineData(ConsoleEnd.Idle, 6, "The daemon closed the console: nothing happened for too long.\n")]
    public async Task How_it_ended_is_told_with_a_code_for_scripts(ConsoleEnd end, int code, string told)
    {
        var console = new FakeConsole { EndsAt = "go", Ends = new([new(State: end, Reason: "why it did")]) };
        await using var daemon = console.On(await FakeDaemon.StartAsync());

        var result = await new CliRig { Socket = daemon.Socket, Input = "go" }.RunAsync("console", "web1", "--wait", "60");

        result.ShouldBe(new CliResult(code, "guest\u001b[6n\r\ngo", told));
    }

    [Fact]
    public async Task An_instance_that_does_not_run_has_no_console()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .Refuses("POST /instances/web1/consoles", Refusal.Conflict("instance.not_running", "'web1' is stopped: only a running instance has a console.", "Start it."));
        (await CliRig.RunAsync(daemon, "console", "web1")).ShouldBe(new CliResult(5, "", "Error: 'web1' is stopped: only a running instance has a console.\nStart it.\n"));
    }

    [Fact]
    public async Task A_daemon_that_restarts_is_waited_for_and_the_console_goes_on_where_it_was()
    {
        var console = new FakeConsole { EndsAt = "again", Ends = new([new(State: ConsoleEnd.DaemonStopping), new(State: ConsoleEnd.Stopped, Reason: "it said so")]) };
        await using var daemon = console.On(await FakeDaemon.StartAsync());
        var input = new PipeOfWords();
        input.Say("again");
        var running = new CliRig { Socket = daemon.Socket, InputStream = input }.RunAsync("console", "web1", "--no-tail");
        await input.UntilAsync(() => Opened(daemon).Count == 2);
        await input.UntilAsync(() => daemon.Requests.Count(r => r.Path == "/consoles") == 2);
        input.Say("again");

        var result = await running;
        result.Code.ShouldBe(0);
        result.Error.ShouldContain("The daemon stops; waiting until it is back.");
        result.Error.ShouldContain("Connected again.");
        result.Error.ShouldEndWith("'web1' stopped: it said so.\n");
        var opened = Opened(daemon);
        (opened[0].TailBytes, opened[0].Since).ShouldBe((0, null));
        opened[1].Since.ShouldBe(100 + "guest\u001b[6n\r\nagain".Length);
    }

    [Theory]
    [InlineData("]")]
    [InlineData("ctrl-a")]
    [InlineData("^1")]
    [InlineData("")]
    public async Task A_detach_key_that_is_none_is_told(string key)
    {
        var result = await new CliRig().RunAsync("console", "web1", "--detach-key", key);
        result.Code.ShouldBe(2);
        result.Error.ShouldContain("is no key for --detach-key");
    }

    [Fact]
    public async Task Logs_are_followed_from_where_they_ended()
    {
        using var stop = new CancellationTokenSource();
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /instances/web1/logs", new SerialOutput("one\n", true, 10, 14), WireJson.Default.SerialOutput)
            .On("GET /instances/web1/logs", new SerialOutput("two\n", false, 14, 18), WireJson.Default.SerialOutput)
            .On("GET /instances/web1/logs", new SerialOutput("", false, 18, 18), WireJson.Default.SerialOutput);
        var running = new CliRig { Socket = daemon.Socket, Stop = stop.Token }.RunAsync("logs", "web1", "--follow", "--timestamps", "--tail", "4KiB");
        while (daemon.Requests.Count < 3)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }

        await stop.CancelAsync();
        (await running).Code.ShouldBe(130);
        daemon.Requests.Take(3).Select(r => r.Query).ShouldBe(["?tail=4096&timestamps=true", $"?tail={Limits.LogBytes}&since=14&timestamps=true", $"?tail={Limits.LogBytes}&since=18&timestamps=true"]);
    }

    private static List<OpenConsole> Opened(FakeDaemon daemon) =>
        [.. daemon.Requests.Where(r => r.Path == "/instances/web1/consoles").Select(r => JsonSerializer.Deserialize(r.Body, WireJson.Default.OpenConsole)!)];

    /// <summary>An input that goes on when the test says something, and never ends by itself.</summary>
    private sealed class PipeOfWords : MemoryStream
    {
        private readonly System.Collections.Concurrent.BlockingCollection<byte[]> _words = [];

        public void Say(string word) => _words.Add(System.Text.Encoding.UTF8.GetBytes(word));

        public async Task UntilAsync(Func<bool> so)
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            while (!so())
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
            }
        }

        public override int Read(Span<byte> buffer)
        {
            var word = _words.Take();
            word.CopyTo(buffer);
            return word.Length;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
    }
}
