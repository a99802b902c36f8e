using System.Net.Sockets;
using System.Text;
using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Systems;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gantry.Daemon.Tests.Systems;

/// <summary>What systemd is told, on a socket as systemd's own is.</summary>
public sealed class ServiceManagerTests(TestPostgres postgres) : IDisposable
{
    private readonly TestRoot _root = new();
    private readonly Socket _systemd = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

    public void Dispose()
    {
        _systemd.Dispose();
        _root.Dispose();
    }

    [Fact]
    public async Task It_is_told_when_requests_are_served_that_they_still_are_and_when_the_daemon_stops()
    {
        await using var daemon = new RunningDaemon(postgres) { Notify = Listen(TimeSpan.FromSeconds(4)) };
        await daemon.InitializeAsync();

        (await NextAsync()).ShouldBe("READY=1\nWATCHDOG=1\nSTATUS=Serving requests.");
        (await daemon.SendAsync(HttpMethod.Get, "/system/health")).Status.ShouldBe(200);
        (await NextAsync()).ShouldBe("WATCHDOG=1\nSTATUS=Serving requests.");

        await daemon.StopAsync();
        await UntilAsync(told => told.StartsWith("STOPPING=1\nSTATUS=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_daemon_that_waits_for_its_database_is_ready_to_say_so()
    {
        var root = GantryRoot.At($"{_root.Path}/waiting");
        Directory.CreateDirectory(root.Path);
        var context = NodeContext.Open(root, TimeProvider.System, NullLoggerFactory.Instance);
        var loaded = ConfigLoader.Load(root, null, [$"database.connection=Host={_root.Path};Username=nobody", "https.listen=off", "log.level=error"], _ => null);
        await using var app = GantryDaemon.Build(context, loaded, Listen(TimeSpan.FromMinutes(1)));
        await app.StartAsync();

        var told = await NextAsync();

        told.ShouldStartWith("READY=1\nWATCHDOG=1\nSTATUS=");
        told.ShouldNotContain("Serving");
        using var api = ApiClient.OverSocket(root.Socket);
        (await RunningDaemon.RefusedAsync(() => api.ListInstancesAsync())).Code.ShouldBe("database.unavailable");
        await app.StopAsync();
    }

    [Theory]
    [InlineData("/run/systemd/notify", "120000000", null, "/run/systemd/notify", 120)]
    [InlineData("@/org/example/notify", "120000000", "7", "@/org/example/notify", 120)]
    [InlineData("/run/systemd/notify", "120000000", "8", "/run/systemd/notify", null)]
    [InlineData("/run/systemd/notify", "soon", null, "/run/systemd/notify", null)]
    [InlineData("vsock:2:1234", "120000000", null, null, null)]
    [InlineData(null, "120000000", null, null, null)]
    public void Who_is_told_and_how_often_is_in_the_environment(string? socket, string? howOften, string? whose, string? path, int? watchdog) =>
        NotifySocket.From(name => name switch { "NOTIFY_SOCKET" => socket, "WATCHDOG_USEC" => howOften, "WATCHDOG_PID" => whose, _ => null }, ownPid: 7)
            .ShouldBe(new(path, watchdog is { } seconds ? TimeSpan.FromSeconds(seconds) : null));

    private NotifySocket Listen(TimeSpan watchdog)
    {
        _systemd.Bind(new UnixDomainSocketEndPoint($"{_root.Path}/notify"));
        return new($"{_root.Path}/notify", watchdog);
    }

    private Task<string> NextAsync() => UntilAsync(_ => true);

    private async Task<string> UntilAsync(Func<string, bool> wanted)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2), TimeProvider.System);
        var buffer = new byte[4096];
        while (true)
        {
            var told = Encoding.UTF8.GetString(buffer.AsSpan(0, await _systemd.ReceiveAsync(buffer, deadline.Token)));
            if (wanted(told))
            {
                return told;
            }
        }
    }
}
