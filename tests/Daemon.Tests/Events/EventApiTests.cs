using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Gantry.Daemon.Tests.Events;

/// <summary>Events and operations over real HTTP on a Unix socket.</summary>
public sealed class EventApiTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private readonly string _socket = $"/tmp/gantry-test-{Id<Operation>.New()}.sock";
    private readonly Gate _gate = new();
    private TestDaemon _daemon = null!;
    private WebApplication _app = null!;
    private HttpClient _http = null!;
    private Scripted _type = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _type = new Scripted("test.gated", new HostStep("wait", (_, ct) => _gate.PassAsync(ct)));
        _daemon = await TestDaemon.StartAsync(Database, [_type]);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.ListenUnixSocket(_socket));
        builder.Services.AddSingleton(_daemon.Feed).AddSingleton(_daemon.Operations).AddSingleton(TimeProvider.System);
        _app = builder.Build();
        _app.Use(async (http, next) =>
        {
            try
            {
                await next(http);
            }
            catch (Refusal refusal)
            {
                http.Response.StatusCode = refusal.Status;
                await http.Response.WriteAsJsonAsync(Problem.From(refusal, null), WireJson.Default.Problem);
            }
        });
        _app.UseWebSockets();
        var api = _app.MapGroup(ApiClient.Base);
        api.MapEvents();
        api.MapOperations();
        await _app.StartAsync();
        _http = new(Handler()) { BaseAddress = new("http://gantry/api/v1/") };
    }

    public override async ValueTask DisposeAsync()
    {
        _gate.Open();
        _http.Dispose();
        await _app.DisposeAsync();
        await _daemon.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task Server_sent_events_carry_their_number_and_resume_after_the_last_one_seen()
    {
        await TellAsync(3);

        await using (var first = await EventStream.OpenAsync(_http, "events?since=0"))
        {
            (await first.NextAsync()).Seq.ShouldBe(1);
            (await first.NextAsync()).Seq.ShouldBe(2);
        }

        await using var again = await EventStream.OpenAsync(_http, "events?since=0", lastEventId: "2");
        (await again.NextAsync()).Seq.ShouldBe(3);
        await TellAsync(1);
        var live = await again.NextAsync();
        (live.Seq, live.Type, live.Subject, live.Actor).ShouldBe((4, EventTypes.InstanceStarted, "instances/x", "ann"));
    }

    [Fact]
    public async Task Without_since_a_reader_gets_what_happens_from_then_on_of_its_topics()
    {
        await TellAsync(2);
        await _daemon.EventsAsync(0, 2);
        await using var stream = await EventStream.OpenAsync(_http, "events?topics=operation");

        await TellAsync(1);
        var begun = await _daemon.BeginAsync(_type, "a");

        var told = await stream.NextAsync();
        (told.Type, told.Subject).ShouldBe((EventTypes.OperationCreated, $"operations/{begun.Id}"));
    }

    [Fact]
    public async Task A_reader_behind_what_is_kept_is_told_of_the_gap_first()
    {
        await _daemon.SqlAsync("update event_counter set seq = 2"); // as when two were told and removed before this daemon started
        await TellAsync(2);
        await using var stream = await EventStream.OpenAsync(_http, "events?since=0");

        (await stream.LineAsync("data: ")).ShouldBe("""{"type":"gap","missed":2}""");
        (await stream.NextAsync()).Seq.ShouldBe(3);
    }

    [Theory]
    [InlineData("events?topics=instance,nonsense", "event.unknown_topic")]
    [InlineData("events?since=99", "event.since_ahead")]
    [InlineData("events?since=-1", "event.since_not_valid")]
    [InlineData("operations?state=nonsense", "operation.unknown_state")]
    [InlineData("operations?limit=0", "request.limit_out_of_range")]
    [InlineData("operations?cursor=x", "request.cursor_not_valid")]
    [InlineData("operations/00000000-0000-7000-8000-000000000000?wait=121", "request.wait_out_of_range")]
    public async Task What_cannot_be_asked_is_refused_with_422(string path, string code)
    {
        using var response = await _http.GetAsync(new Uri(path, UriKind.Relative));

        response.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        JsonSerializer.Deserialize(await response.Content.ReadAsStringAsync(), WireJson.Default.Problem)!.Code.ShouldBe(code);
    }

    [Fact]
    public async Task A_web_socket_gets_one_message_an_event_and_is_closed_when_the_daemon_stops()
    {
        await TellAsync(2);
        using var deadline = new CancellationTokenSource(TestDaemon.Deadline, TimeProvider.System);
        using var socket = new ClientWebSocket();
        using var invoker = new HttpMessageInvoker(Handler());
        await socket.ConnectAsync(new("ws://gantry/api/v1/events?since=0"), invoker, deadline.Token);

        (await ReceiveAsync(socket, deadline.Token))!.Seq.ShouldBe(1);
        (await ReceiveAsync(socket, deadline.Token))!.Seq.ShouldBe(2);
        await TellAsync(1);
        (await ReceiveAsync(socket, deadline.Token))!.Seq.ShouldBe(3);

        var stopped = _app.StopAsync(deadline.Token);
        (await ReceiveAsync(socket, deadline.Token)).ShouldBeNull();
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, deadline.Token);
        await stopped;
    }

    [Fact]
    public async Task A_stream_ends_when_the_daemon_stops()
    {
        await using var stream = await EventStream.OpenAsync(_http, "events");

        await _app.StopAsync();

        await stream.EndAsync();
    }

    [Fact]
    public async Task An_operation_is_awaited_listed_cancelled_and_read_over_http()
    {
        using var client = ApiClient.OverSocket(_socket);
        var begun = await _daemon.BeginAsync(_type, "a");
        await _gate.Entered;

        (await client.GetOperationAsync(begun.Id)).State.ShouldBe(OperationState.Running);
        (await client.ListOperationsAsync("?state=running&target=a")).Items.ShouldHaveSingleItem().Id.ShouldBe(begun.Id);
        var waiting = client.GetOperationAsync(begun.Id, 30);
        (await client.CancelOperationAsync(begun.Id)).State.ShouldBe(OperationState.Cancelling);

        (await waiting).State.ShouldBe(OperationState.Cancelled);
        (await Should.ThrowAsync<Refusal>(client.CancelOperationAsync(begun.Id))).Code.ShouldBe("operation.finished");
        (await client.GetOperationLogAsync(begun.Id)).Items.ShouldBeEmpty();
        (await Should.ThrowAsync<Refusal>(client.GetOperationAsync(Id<Operation>.New()))).Status.ShouldBe(404);
    }

    private async Task TellAsync(int count)
    {
        for (var n = 0; n < count; n++)
        {
            await _daemon.Db.InTransactionAsync(t => _daemon.Log.AppendAsync(t, EventTypes.InstanceStarted, "instances/x", "ann", null), default);
        }
    }

    private static async Task<Event?> ReceiveAsync(ClientWebSocket socket, CancellationToken ct)
    {
        var buffer = new byte[64 << 10];
        var received = await socket.ReceiveAsync(buffer.AsMemory(), ct);
        return received.MessageType == WebSocketMessageType.Close ? null : JsonSerializer.Deserialize(buffer.AsSpan(0, received.Count), WireJson.Default.Event);
    }

    private SocketsHttpHandler Handler() => new()
    {
        ConnectCallback = async (_, ct) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_socket), ct);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };
}

/// <summary>Reads <c>text/event-stream</c> as a browser does.</summary>
internal sealed class EventStream(HttpResponseMessage response, StreamReader reader) : IAsyncDisposable
{
    public static async Task<EventStream> OpenAsync(HttpClient http, string path, string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        return new(response, new(await response.Content.ReadAsStreamAsync()));
    }

    public async Task<Event> NextAsync()
    {
        using var deadline = new CancellationTokenSource(TestDaemon.Deadline, TimeProvider.System);
        string? id = null;
        while (await reader.ReadLineAsync(deadline.Token) is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal))
            {
                id = line[4..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                var told = JsonSerializer.Deserialize(line[6..], WireJson.Default.Event)!;
                id.ShouldBe($"{told.Seq}");
                return told;
            }
        }

        throw new EndOfStreamException();
    }

    public async Task<string> LineAsync(string prefix)
    {
        using var deadline = new CancellationTokenSource(TestDaemon.Deadline, TimeProvider.System);
        while (await reader.ReadLineAsync(deadline.Token) is { } line)
        {
            if (line.StartsWith(prefix, StringComparison.Ordinal))
            {
                return line[prefix.Length..];
            }
        }

        throw new EndOfStreamException();
    }

    public async Task EndAsync()
    {
        using var deadline = new CancellationTokenSource(TestDaemon.Deadline, TimeProvider.System);
        await reader.ReadToEndAsync(deadline.Token);
    }

    public ValueTask DisposeAsync()
    {
        reader.Dispose();
        response.Dispose();
        return ValueTask.CompletedTask;
    }
}
