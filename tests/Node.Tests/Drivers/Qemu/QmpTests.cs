using System.Net.Sockets;
using System.Text;
using Gantry.Node.Drivers.Qemu;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>A QEMU taken over by its guest may say anything, or nothing.</summary>
public sealed class QmpTests : IAsyncDisposable
{
    private const string Greeting = """{"QMP": {"version": {}, "capabilities": []}}""" + "\n";
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(300);

    private readonly TestRoot _root = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _end = new();
    private Task _peer = Task.CompletedTask;

    [Fact]
    public async Task It_answers_commands_and_tells_events()
    {
        GivenPeer(async (stream, reader) =>
        {
            await SayAsync(stream, Greeting);
            await reader.ReadLineAsync(_end.Token);
            await SayAsync(stream, """{"return": {}, "id": 1}""" + "\n" + """{"event": "STOP", "timestamp": {}}""" + "\n" + """{"event": "SHUTDOWN", "data": {"reason": "guest-reset"}}""" + "\n");
            (await reader.ReadLineAsync(_end.Token)).ShouldBe("""{"execute":"query-status","id":2}""");
            await SayAsync(stream, """{"return": {"status": "paused"}, "id": 2}""" + "\n");
            await reader.ReadLineAsync(_end.Token);
            await SayAsync(stream, """{"error": {"class": "CommandNotFound", "desc": "no such thing"}, "id": 3}""" + "\n");
        });

        await using var qmp = await ConnectAsync(Long);
        (await qmp.ExecuteAsync("query-status", null, Long, default)).GetProperty("status").GetString().ShouldBe("paused");
        (await Should.ThrowAsync<QmpFailed>(() => qmp.ExecuteAsync("nonsense", null, Long, default))).Message.ShouldBe("QEMU refused: no such thing");
        (await qmp.Events.ReadAsync()).Name.ShouldBe("STOP");
        (await qmp.Events.ReadAsync()).Text("reason").ShouldBe("guest-reset");
    }

    [Fact]
    public async Task One_that_never_greets_is_given_up() =>
        await FailsAsync((_, _) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _end.Token), "did not greet", Short);

    [Fact]
    public async Task One_that_greets_and_never_answers_is_given_up() => await FailsAsync(
        async (stream, _) =>
        {
            await SayAsync(stream, Greeting);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _end.Token);
        },
        "did not", Short);

    [Theory]
    [InlineData("hello\n")]
    [InlineData("[1]\n")]
    [InlineData("{\"QMP\": {}\n")]
    [InlineData("{\"event\": 7}\n")]
    [InlineData("{\"error\": {}, \"id\": \"x\"}\n")]
    [InlineData("\0\0\0\n")]
    public async Task Garbage_is_named_as_such(string garbage) =>
        await FailsAsync((stream, _) => SayAsync(stream, garbage), "not QMP", Long);

    [Fact]
    public async Task One_that_hangs_up_is_told_of() => await FailsAsync((stream, _) => SayAsync(stream, ""), "closed the connection", Long);

    [Fact]
    public async Task An_endless_line_is_cut_off_long_before_it_fills_the_memory()
    {
        var sent = 0L;
        var block = Encoding.ASCII.GetBytes(new string('x', 1 << 16));
        await FailsAsync(
            async (stream, _) =>
            {
                for (; sent < 1L << 30; sent += block.Length)
                {
                    await stream.WriteAsync(block, _end.Token);
                }
            },
            "longer than 4 MiB", Long);

        sent.ShouldBeLessThan(16 << 20);
    }

    [Fact]
    public async Task A_flood_of_events_drops_the_oldest()
    {
        GivenPeer(async (stream, reader) =>
        {
            await SayAsync(stream, Greeting);
            await reader.ReadLineAsync(_end.Token);
            await SayAsync(stream, string.Concat(Enumerable.Range(0, 10_000).Select(i => $$"""{"event": "E{{i}}"}""" + "\n")) + """{"return": {}, "id": 1}""" + "\n");
            await reader.ReadLineAsync(_end.Token);
        });

        await using var qmp = await ConnectAsync(Long);
        qmp.Events.Count.ShouldBeLessThanOrEqualTo(256);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        await _peer.ContinueWith(_ => { }, TaskScheduler.Default);
        await _root.DisposeAsync();
    }

    private async Task FailsAsync(Func<NetworkStream, StreamReader, Task> peer, string words, TimeSpan deadline)
    {
        GivenPeer(peer);
        (await Should.ThrowAsync<QmpFailed>(() => ConnectAsync(deadline))).Message.ShouldContain(words);
    }

    private Task<Qmp> ConnectAsync(TimeSpan deadline) => Qmp.ConnectAsync($"{_root.Path}/qmp.sock", deadline, TimeProvider.System, default);

    private void GivenPeer(Func<NetworkStream, StreamReader, Task> peer)
    {
        _listener.Bind(new UnixDomainSocketEndPoint($"{_root.Path}/qmp.sock"));
        _listener.Listen();
        _peer = Task.Run(async () =>
        {
            await using var stream = new NetworkStream(await _listener.AcceptAsync(_end.Token), ownsSocket: true);
            using var reader = new StreamReader(stream);
            await peer(stream, reader);
        });
    }

    private async Task SayAsync(NetworkStream stream, string text) => await stream.WriteAsync(Encoding.UTF8.GetBytes(text), _end.Token);
}
