using System.Net;
using System.Net.WebSockets;
using System.Text;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Consoles;

public sealed class ConsoleTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private readonly RunningDaemon _daemon = daemon;

    private ApiClient Api => _daemon.Api;

    [Fact]
    public async Task Those_at_one_console_see_the_same_and_who_only_looks_types_nothing()
    {
        await _daemon.GivenInstanceAsync("web1", InstanceState.Running);
        await using var one = await ConsoleTypist.OpenAsync(Api, "web1");
        await using var other = await ConsoleTypist.OpenAsync(Api, "web1");
        await using var looker = await ConsoleTypist.OpenAsync(Api, "web1", new() { ViewOnly = true });
        await looker.WaitForAsync("web1 has started\n");

        await looker.TypeAsync("never seen");
        await looker.SendTextAsync("""{"resize":{"columns":1,"rows":1}}""");
        await Eventually.ShouldBeAsync(async () => (await Api.ListConsolesAsync("web1")).Items.Single(c => c.ViewOnly).Size, new(1, 1)); // so it was heard before what follows
        await one.TypeAsync("ping\r");
        foreach (var reader in (ConsoleTypist[])[one, other, looker])
        {
            await reader.WaitForAsync("ping\r\n");
            reader.Seen.ShouldBe("web1 has started\nping\r\n");
        }

        (await Api.GetLogsAsync("web1")).Text.ShouldBe("web1 has started\nping\r\n");
    }

    [Fact]
    public async Task Open_consoles_are_listed_with_the_size_of_their_terminal_and_told_of_as_events()
    {
        var id = (await _daemon.GivenInstanceAsync("web2", InstanceState.Running)).Id;
        var events = _daemon.EventsUntilAsync(e => e.Type == EventTypes.ConsoleClosed);
        await using var console = await ConsoleTypist.OpenAsync(Api, "web2");
        await console.SendTextAsync("""{"resize":{"columns":132,"rows":43}}""");
        await console.SendTextAsync("""{"resize":{"columns":0,"rows":43}}""");
        await console.TypeAsync("so both were heard\r");
        await console.WaitForAsync("heard\r\n");

        var listed = (await Api.ListConsolesAsync("web2")).Items.Single();
        (listed.Kind, listed.ViewOnly, listed.OpenedBy, listed.Size).ShouldBe((ConsoleKind.Serial, false, "root", new ConsoleSize(132, 43)));
        await console.LeaveAsync();

        var told = (await events).Where(e => e.Topic == "console").ToList();
        told.Select(e => (e.Type, e.Subject, e.Actor)).ShouldBe([(EventTypes.ConsoleOpened, $"instances/{id}", "root"), (EventTypes.ConsoleClosed, $"instances/{id}", "root")]);
        told.ShouldAllBe(e => e.Data!.Value.GetProperty("console").GetString() == listed.Id.ToString());
        told[1].Data!.Value.GetProperty("reason").GetString().ShouldBe("left");
        (await Api.ListConsolesAsync("web2")).Items.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_ticket_opens_one_console_of_its_own_instance()
    {
        await _daemon.GivenInstanceAsync("web3", InstanceState.Running);
        var other = await _daemon.GivenInstanceAsync("web4", InstanceState.Running);
        var ticket = await Api.OpenConsoleAsync("web3", new());
        Encoding.ASCII.GetByteCount(ticket.Ticket).ShouldBe(43); // 256 bits in base64url
        ticket.Url.ShouldNotContain(ticket.Ticket);
        await using (new ConsoleTypist(await Api.ConnectConsoleAsync(ticket)))
        {
        }

        (await RunningDaemon.RefusedAsync(() => Api.ConnectConsoleAsync(ticket))).Status.ShouldBe(403);
        var foreign = await Api.OpenConsoleAsync("web3", new());
        (await RunningDaemon.RefusedAsync(() => Api.ConnectConsoleAsync(foreign with { Url = $"/api/v1/consoles?instance={other.Id}" }))).Status.ShouldBe(403);
        (await RunningDaemon.RefusedAsync(() => Api.ConnectConsoleAsync(foreign))).Status.ShouldBe(403); // tried once, it is used up
        (await RunningDaemon.RefusedAsync(() => Api.ConnectConsoleAsync(foreign with { Ticket = "x" }))).Status.ShouldBe(403);
    }

    [Theory]
    [InlineData("http://gantry", 101)]
    [InlineData(null, 101)]
    [InlineData("https://gantry", 403)]
    [InlineData("http://gantry:81", 403)]
    [InlineData("http://gantry.evil.example", 403)]
    [InlineData("null", 403)]
    public async Task A_page_of_another_site_opens_nothing(string? origin, int status)
    {
        var name = $"origin{(origin ?? "none").Length}-{status}";
        await _daemon.GivenInstanceAsync(name, InstanceState.Running);
        var ticket = await Api.OpenConsoleAsync(name, new());

        (await UpgradeAsync(ticket.Url, origin, $"gantry.console, ticket.{ticket.Ticket}")).ShouldBe((HttpStatusCode)status);
    }

    [Fact]
    public async Task What_is_no_console_request_is_told_what_is_missing()
    {
        (await _daemon.SendAsync(HttpMethod.Get, "/consoles")).Problem!.Code.ShouldBe("console.not_a_websocket");
        (await UpgradeAsync("/api/v1/consoles", null, "ticket.x")).ShouldBe(HttpStatusCode.BadRequest);
        (await UpgradeAsync("/api/v1/consoles", null, "gantry.console")).ShouldBe(HttpStatusCode.Forbidden);

        await _daemon.GivenInstanceAsync("web5");
        (await RunningDaemon.RefusedAsync(() => Api.OpenConsoleAsync("nobody", new()))).Code.ShouldBe("instance.unknown");
        (await RunningDaemon.RefusedAsync(() => Api.OpenConsoleAsync("web5", new()))).Code.ShouldBe("instance.not_running");
        (await RunningDaemon.RefusedAsync(() => Api.OpenConsoleAsync("web5", new() { Kind = ConsoleKind.Vnc }))).Code.ShouldBe("console.kind_not_offered");
        var faults = (await _daemon.SendAsync(HttpMethod.Post, "/instances/web5/consoles", """{"tailBytes":-1,"since":-1}""")).Problem!;
        faults.Status.ShouldBe(422);
        faults.Errors!.Select(e => e.Path).ShouldBe(["$.tailBytes", "$.since"]);
    }

    [Fact]
    public async Task An_instance_has_so_many_consoles_and_no_more()
    {
        await _daemon.GivenInstanceAsync("web6", InstanceState.Running);
        var open = new List<ConsoleTypist>();
        var late = await Api.OpenConsoleAsync("web6", new());
        for (var i = 0; i < Limits.ConsolesPerInstance; i++)
        {
            open.Add(await ConsoleTypist.OpenAsync(Api, "web6"));
        }

        (await RunningDaemon.RefusedAsync(() => Api.OpenConsoleAsync("web6", new()))).Code.ShouldBe("console.too_many");
        (await RunningDaemon.RefusedAsync(() => Api.ConnectConsoleAsync(late))).Status.ShouldBe(409);
        await open[0].LeaveAsync();
        await Eventually.ShouldBeAsync(async () => (await Api.ListConsolesAsync("web6")).Items.Count, Limits.ConsolesPerInstance - 1);
        await using (await ConsoleTypist.OpenAsync(Api, "web6"))
        {
        }

        foreach (var console in open)
        {
            await console.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_console_ends_with_its_instance_and_says_why()
    {
        var id = (await _daemon.GivenInstanceAsync("web7", InstanceState.Running)).Id;
        await using var stopped = await ConsoleTypist.OpenAsync(Api, "web7");
        var closed = _daemon.NextEventAsync(EventTypes.ConsoleClosed, $"instances/{id}");
        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync("web7", InstanceAction.Stop, 60));
        (await stopped.UntilEndAsync()).ShouldBe(ConsoleEnd.Stopped);
        stopped.Status.ShouldBe(WebSocketCloseStatus.NormalClosure);
        (await closed).Data!.Value.GetProperty("reason").GetString().ShouldBe("stopped");

        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync("web7", InstanceAction.Start, 60));
        await using var off = await ConsoleTypist.OpenAsync(Api, "web7");
        _daemon.Sim.PowerOff(id);
        (await off.UntilEndAsync()).ShouldBe(ConsoleEnd.Stopped);

        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync("web7", InstanceAction.Start, 60));
        await using var deleted = await ConsoleTypist.OpenAsync(Api, "web7");
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync("web7", force: true, 60));
        (await deleted.UntilEndAsync()).ShouldBe(ConsoleEnd.Deleted);
    }

    [Fact]
    public async Task A_reader_that_takes_nothing_holds_up_no_other()
    {
        var id = (await _daemon.GivenInstanceAsync("web8", InstanceState.Running)).Id;
        await using var stalled = await ConsoleTypist.OpenAsync(Api, "web8");
        await using var reader = await ConsoleTypist.OpenAsync(Api, "web8");
        var block = Encoding.ASCII.GetBytes(new string('x', 99_999) + "\n");
        for (var i = 0; i < 100; i++)
        {
            _daemon.Sim.Say(id, block);
        }

        _daemon.Sim.Say(id, "the end\n"u8);
        await reader.WaitForAsync("the end\n");
        (reader.Offset, reader.Missed).ShouldBe(((100 * block.Length) + "web8 has started\nthe end\n".Length, 0));
    }

    [Fact]
    public async Task A_request_that_is_none_of_a_consoles_ends_it()
    {
        await _daemon.GivenInstanceAsync("web9", InstanceState.Running);
        foreach (var message in (string[])["resize please", "[]", "null", new string(' ', 5000)])
        {
            await using var console = await ConsoleTypist.OpenAsync(Api, "web9");
            await console.SendTextAsync(message);
            (await console.UntilEndAsync()).ShouldBeNull();
            console.Status.ShouldBe(WebSocketCloseStatus.InvalidPayloadData, message.Trim());
        }
    }

    [Fact]
    public async Task Logs_are_read_on_from_where_they_ended_with_times_or_without()
    {
        var id = (await _daemon.GivenInstanceAsync("web10", InstanceState.Running)).Id;
        var first = await Api.GetLogsAsync("web10");
        _daemon.Sim.Say(id, "one\ntwo\n"u8);
        (await Api.GetLogsAsync("web10", since: first.End)).ShouldBe(new("one\ntwo\n", false, first.End, first.End + 8));
        (await Api.GetLogsAsync("web10", 4, since: first.End)).Text.ShouldBe("one\n");
        (await Api.GetLogsAsync("web10", timestamps: true, since: first.End)).Text.ShouldMatch(@"\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (one|two)\n){2}\z");
        (await RunningDaemon.RefusedAsync(() => Api.GetLogsAsync("web10", since: -1))).Code.ShouldBe("request.since");
    }

    private async Task<HttpStatusCode> UpgradeAsync(string path, string? origin, string protocols)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Connection", "Upgrade");
        request.Headers.TryAddWithoutValidation("Upgrade", "websocket");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Version", "13");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Protocol", protocols);
        if (origin is not null)
        {
            request.Headers.TryAddWithoutValidation("Origin", origin);
        }

        using var response = await _daemon.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return response.StatusCode;
    }
}

public sealed class IdleConsoleTests(TestPostgres postgres) : IAsyncLifetime
{
    private readonly RunningDaemon _daemon = new(postgres) { Settings = ["console.idle=1s"] };

    public ValueTask InitializeAsync() => _daemon.InitializeAsync();

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    [Fact]
    public async Task A_console_in_which_nothing_happens_is_closed_and_one_closes_with_the_daemon()
    {
        await _daemon.GivenInstanceAsync("quiet", InstanceState.Running);
        await using var idle = await ConsoleTypist.OpenAsync(_daemon.Api, "quiet");
        (await idle.UntilEndAsync()).ShouldBe(ConsoleEnd.Idle);

        await using var open = await ConsoleTypist.OpenAsync(_daemon.Api, "quiet");
        await open.ReadAsync();
        var stopping = _daemon.StopHostAsync();
        (await open.UntilEndAsync()).ShouldBe(ConsoleEnd.DaemonStopping);
        open.Status.ShouldBe(WebSocketCloseStatus.EndpointUnavailable);
        await stopping;
    }
}
