using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>A monitor that says what a test wants, in front of a process that only sleeps; and the guest as the driver sees it.</summary>
internal sealed class FakeQemu : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly TestRoot _root = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentQueue<(InstanceStatus Status, bool WasReset)> _told = [];
    private readonly SemaphoreSlim _news = new(0);
    private readonly Task _serving;
    private System.Diagnostics.Process? _process;
    private QemuGuest? _guest;
    private NetworkStream? _stream;

    public FakeQemu()
    {
        Answers["query-uuid"] = JsonSerializer.Serialize(new { UUID = Id.ToString() });
        Answers["query-status"] = """{"status": "running"}""";
        Answers["query-block"] = "[]";
        _listener.Bind(new UnixDomainSocketEndPoint(Socket));
        _listener.Listen();
        _serving = ServeAsync();
    }

    public Id<Instance> Id { get; } = Id<Instance>.New();

    /// <summary>What each command returns; one that is not here returns nothing.</summary>
    public ConcurrentDictionary<string, string> Answers { get; } = new();

    public ConcurrentQueue<string> Commands { get; } = [];

    private string Run => $"{_root.Path}/run/instances/{Id}";

    private string Socket => $"{_root.Path}/qmp.sock";

    /// <summary>The guest, found as after a start and asked once.</summary>
    public async Task<QemuGuest> AttachAsync()
    {
        _process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("sleep", ["1000"]))!;
        Directory.CreateDirectory(Run);
        await File.WriteAllTextAsync($"{Run}/pids", string.Create(CultureInfo.InvariantCulture, $"{_process.Id} {HostProcess.StartOf(_process.Id)} 0 0 {HostFacts.BootId}\n"));
        var process = (await QemuProcess.FindAsync(Run, TimeProvider.System))!;
        _guest = new(Id, process, Socket, new($"{Run}/log", $"{Run}/resets"), TimeProvider.System, (status, wasReset) =>
        {
            _told.Enqueue((status, wasReset));
            _news.Release();
        });
        _guest.Watch(() => Task.FromResult(QemuProcess.EndOf(Run, "")));
        await _guest.QueryAsync(default);
        return _guest;
    }

    public Task SayAsync(string line) => _stream!.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), _end.Token).AsTask();

    public Task TellAsync(string happened, string data = "{}") => SayAsync($$"""{"event": "{{happened}}", "data": {{data}} }""");

    public void HangUp() => _stream!.Dispose();

    public async Task<(InstanceStatus Status, bool WasReset)> NextToldAsync()
    {
        (await _news.WaitAsync(Patience)).ShouldBeTrue("nothing was told");
        _told.TryDequeue(out var told).ShouldBeTrue();
        return told;
    }

    /// <summary>Waits until it was asked so many times.</summary>
    public async Task AskedAsync(string command, int times)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (Commands.Count(c => c == command) < times)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
        }
    }

    public bool HasMoreToTell => !_told.IsEmpty;

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        _process?.Kill();
        if (_guest is not null)
        {
            await _guest.DisposeAsync();
        }

        await _serving.ContinueWith(_ => { }, TaskScheduler.Default);
        _process?.Dispose();
        await _root.DisposeAsync();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            _stream = new NetworkStream(await _listener.AcceptAsync(_end.Token), ownsSocket: true);
            try
            {
                using var reader = new StreamReader(_stream);
                await SayAsync("""{"QMP": {}}""");
                while (await reader.ReadLineAsync(_end.Token) is { } line)
                {
                    using var command = JsonDocument.Parse(line);
                    var name = command.RootElement.GetProperty("execute").GetString()!;
                    Commands.Enqueue(name);
                    await SayAsync($$"""{"return": {{Answers.GetValueOrDefault(name, "{}")}}, "id": {{command.RootElement.GetProperty("id").GetInt64()}} }""");
                    if (name == "quit")
                    {
                        _process!.Kill();
                    }
                }
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // Hung up, by either side.
            }
        }
    }
}
