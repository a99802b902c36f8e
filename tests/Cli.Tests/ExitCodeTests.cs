using Gantry.Contracts;

namespace Gantry.Cli.Tests;

public sealed class ExitCodeTests
{
    [Theory]
    [InlineData(400, 1)]
    [InlineData(401, 4)]
    [InlineData(403, 4)]
    [InlineData(404, 3)]
    [InlineData(409, 5)]
    [InlineData(412, 5)]
    [InlineData(422, 1)]
    [InlineData(423, 5)]
    [InlineData(429, 1)]
    [InlineData(500, 1)]
    [InlineData(503, 1)]
    [InlineData(504, 6)]
    public async Task Every_refusal_has_its_exit_code(int status, int code)
    {
        await using var daemon = (await FakeDaemon.StartAsync()).Refuses("GET /instances/web1", new Refusal("a.b", status, "It is so.", "Do this."));
        var result = await CliRig.RunAsync(daemon, "info", "web1");
        result.ShouldBe(new CliResult(code, "", "Error: It is so.\nDo this.\n"));
    }

    [Fact]
    public async Task Faults_are_told_one_a_line_by_their_path()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).Refuses("POST /instances", new Refusal("instance.invalid", 422, "The instance is not valid.", "Correct what is named.",
            [new("$.name", "is not a host name"), new("$.boot.kernel", "does not exist")]));
        Golden.Matches("error-faults", (await CliRig.RunAsync(daemon, "launch", "micro", "WEB")).Transcript("gantry launch micro WEB"));
    }

    [Fact]
    public async Task An_unreachable_daemon_is_exit_code_7()
    {
        var result = await new CliRig { Environment = new() { ["GANTRY_ROOT"] = "/nonexistent" } }.RunAsync("list");
        Golden.Matches("error-unreachable", result.Transcript("GANTRY_ROOT=/nonexistent gantry list"));
        (await new CliRig().RunAsync("list", "--root", "/nowhere")).Error.ShouldContain("/nowhere/run/gantry.sock");
        (await new CliRig().RunAsync("list", "--root", "/nowhere", "--socket", "/there")).Error.ShouldContain("there is no socket at /there");
    }

    [Fact]
    public async Task A_socket_that_nobody_listens_on_is_exit_code_7()
    {
        var folder = Directory.CreateTempSubdirectory("gantry-cli-");
        var path = Path.Combine(folder.FullName, "s");
        using (var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0))
        {
            socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
            var result = await new CliRig { Socket = path }.RunAsync("list");
            result.Code.ShouldBe(7);
            result.Error.ShouldStartWith($"Error: The daemon cannot be reached: nothing listens on {path}.\n");
        }

        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task An_answer_that_is_not_the_daemons_is_told_as_such()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("GET /system", "<html>").On("GET /nodes", "<html>\u001b", 502);
        var garbage = await CliRig.RunAsync(daemon, "system");
        garbage.Code.ShouldBe(1);
        garbage.Error.ShouldStartWith("Error: The daemon's answer cannot be read");
        (await CliRig.RunAsync(daemon, "node", "list")).Error.ShouldStartWith("Error: The answer was 502 Bad Gateway: <html>\\x1b\n");
    }

    [Fact]
    public async Task A_fault_of_its_own_is_no_stack_trace()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("GET /instances", "{\"items\":[null]}");
        var result = await CliRig.RunAsync(daemon, "list");
        result.Code.ShouldBe(1);
        result.Error.ShouldStartWith("Error: This is a fault of gantry's own: NullReferenceException");
        result.Error.Split('\n').Length.ShouldBe(3);
    }

    [Theory]
    [InlineData("launch micro")]
    [InlineData("launch micro web extra")]
    [InlineData("launch micro web --memory 12x")]
    [InlineData("launch micro web --memory -5")]
    [InlineData("launch micro web --cpus two")]
    [InlineData("launch micro web --cpus 0")]
    [InlineData("launch micro web --kind vmm")]
    [InlineData("launch micro web --label nokey")]
    [InlineData("launch micro web --label a=1 --label a=2")]
    [InlineData("lanch micro web")]
    [InlineData("list --foo")]
    [InlineData("list -o xml")]
    [InlineData("list --limit 0")]
    [InlineData("start")]
    [InlineData("start web1 --all")]
    [InlineData("shutdown web1 --timeout soon")]
    [InlineData("image")]
    [InlineData("image bild micro")]
    [InlineData("operation wait 12")]
    [InlineData("query FETCH /instances")]
    [InlineData("completion tcsh")]
    [InlineData("info")]
    public async Task Wrong_use_is_exit_code_2_and_says_what_is_accepted(string commandLine)
    {
        var result = await new CliRig { Socket = "/nonexistent" }.RunAsync(commandLine.Split(' '));
        result.Code.ShouldBe(2);
        result.Error.Split('\n').Length.ShouldBe(3);
        Golden.Matches("wrong-use-" + commandLine.Replace(' ', '-').Replace('/', '_'), result.Transcript("gantry " + commandLine));
    }
}
