using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Events;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Systems;
using Gantry.Node;
using Gantry.Node.Drivers.Sim;
using Gantry.Node.Instances;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gantry.Daemon.Tests.Support;

/// <summary>
/// A whole daemon in this process: real routes on a real Unix socket, a database and a root of its own, and the simulator
/// as its default driver. One for each test class.
/// </summary>
public sealed class RunningDaemon(TestPostgres postgres) : IAsyncLifetime
{
    private readonly TestRoot _root = new();
    private WebApplication _app = null!;
    private NodeContext? _context;
    private string? _database;
    private bool _stopped = true;

    public ApiClient Api { get; private set; } = null!;

    /// <summary>For what the typed client would not send.</summary>
    public HttpClient Http { get; private set; } = null!;

    public IServiceProvider Services => _app.Services;

    public LocalNode Node { get; private set; } = null!;

    public SimDriver Sim => (SimDriver)Node.Driver("sim");

    /// <summary>Settings beside the tests' own, as <c>name=value</c>.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];

    /// <summary>Whom it tells how it is.</summary>
    internal NotifySocket? Notify { get; init; }

    /// <summary>Its clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Its connection string; empty for a fresh one on the tests' server, null for a private server of its own.</summary>
    public string? Database { get; init; } = "";

    public async ValueTask InitializeAsync()
    {
        _database = Database == "" ? await postgres.NewDatabaseAsync() : Database;
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _root.Dispose();
    }

    /// <summary>Stops the daemon and starts it again on the same root and database.</summary>
    public async Task RestartAsync(Action? meanwhile = null)
    {
        await StopAsync();
        meanwhile?.Invoke();
        await StartAsync();
    }

    /// <summary>As SIGTERM does; clients may still be listening.</summary>
    public Task StopHostAsync() => _app.StopAsync();

    public async Task StopAsync()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        Api.Dispose();
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private async Task StartAsync()
    {
        var root = GantryRoot.At(_root.Path);
        _context ??= NodeContext.Open(root, Time, NullLoggerFactory.Instance);
        string[] database = _database is null ? [] : [$"database.connection={_database}"];
        var loaded = ConfigLoader.Load(root, null, [.. database, "instances.driver=sim", "networks.driver=sim", "networks.default=off", "log.level=error", .. Settings], _ => null);
        _app = GantryDaemon.Build(_context, loaded, Notify);
        Node = Services.GetRequiredService<LocalNode>();
        await _app.StartAsync();
        _stopped = false;
        Api = ApiClient.OverSocket(root.Socket);
        Http = HttpOver(root.Socket);
        await _app.Services.GetRequiredService<Platform.Db>().Ready.WaitAsync(TimeSpan.FromMinutes(1));
    }

    public async Task<Instance> GivenInstanceAsync(string name, InstanceState state = InstanceState.Stopped)
    {
        await DoneAsync(Api.CreateInstanceAsync(A(name), 60));
        if (state is InstanceState.Running or InstanceState.Paused)
        {
            await DoneAsync(Api.ActOnInstanceAsync(name, InstanceAction.Start, 60));
        }

        if (state == InstanceState.Paused)
        {
            await DoneAsync(Api.ActOnInstanceAsync(name, InstanceAction.Pause, 60));
        }

        if (state is InstanceState.Creating or InstanceState.Starting or InstanceState.Stopping or InstanceState.Error or InstanceState.Lost)
        {
            // A state in passing, or of a broken world: written as the operation in progress, or the watcher, would.
            var id = (await Api.GetInstanceAsync(name)).Id;
            await Services.GetRequiredService<Platform.Db>().InTransactionAsync(tx => Services.GetRequiredService<InstanceStore>().SetStateAsync(tx, id, state), default);
        }

        return await Api.GetInstanceAsync(name);
    }

    /// <summary>The next event of a type, from the moment of the call on.</summary>
    public async Task<Event> NextEventAsync(string type, string? subject = null) =>
        (await EventsUntilAsync(e => e.Type == type && (subject is null || e.Subject == subject)))[^1];

    /// <summary>What is numbered from the moment of the call on, up to an event; that may begin with what happened just before it.</summary>
    public Task<IReadOnlyList<Event>> EventsUntilAsync(Func<Event, bool> last)
    {
        var feed = Services.GetRequiredService<EventFeed>();
        var cursor = feed.Newest;
        return Task.Run(async () =>
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1), TimeProvider.System);
            var seen = new List<Event>();
            while (true)
            {
                var page = await feed.NextAsync(cursor, deadline.Token);
                foreach (var happened in page.Events)
                {
                    seen.Add(happened);
                    if (last(happened))
                    {
                        return (IReadOnlyList<Event>)seen;
                    }
                }

                cursor = page.Cursor;
            }
        });
    }

    public static CreateInstance A(string name) => new()
    {
        Name = name,
        Kind = InstanceKind.Microvm,
        Boot = new() { Kernel = "/boot/any" },
    };

    /// <summary>The instance made of that body.</summary>
    public async Task<Instance> MakeAsync(string json)
    {
        var body = JsonSerializer.Deserialize(json, WireJson.Default.CreateInstance)!;
        await DoneAsync(Api.CreateInstanceAsync(body, 60));
        return await Api.GetInstanceAsync(body.Name);
    }

    public async Task<(int Status, Problem? Problem, JsonElement Body)> SendAsync(HttpMethod method, string path, string? json = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, ApiClient.Base + path);
        request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        var body = text.Length == 0 ? default : JsonSerializer.Deserialize<JsonElement>(text);
        return ((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType == "application/problem+json" ? JsonSerializer.Deserialize(text, WireJson.Default.Problem) : null, body);
    }

    /// <summary>The operation, which must have succeeded.</summary>
    public static async Task<Operation> DoneAsync(Task<Operation> asked)
    {
        var operation = await asked;
        operation.State.ShouldBe(OperationState.Succeeded, operation.Error?.Detail);
        return operation;
    }

    /// <summary>The refusal that a call must end with.</summary>
    public static Task<Refusal> RefusedAsync(Func<Task> call) => call.ShouldThrowAsync<Refusal>();

    private static HttpClient HttpOver(string socket) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, ct) =>
        {
            var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), ct);
            return new NetworkStream(connection, ownsSocket: true);
        },
    })
    { BaseAddress = new("http://gantry") };
}
