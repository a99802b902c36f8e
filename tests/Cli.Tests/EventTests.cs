using Microsoft.AspNetCore.Http;

namespace Gantry.Cli.Tests;

public sealed class EventTests
{
    private static Func<HttpContext, Task> Stream(string text, Action<HttpContext>? end = null) => async context =>
    {
        context.Response.ContentType = "text/event-stream";
        await context.Response.WriteAsync(text);
        await context.Response.Body.FlushAsync();
        if (end is null)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        }
        else
        {
            end(context);
        }
    };

    private static string Sent(params string[] events) => string.Concat(events.Select(json => $"id: 1\nevent: x\ndata: {json}\n\n"));

    [Fact]
    public async Task What_happened_is_shown_and_then_it_ends()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("GET /events",
            Stream(": hello\n\nevent: ping\ndata: {}\n\n" + Sent("""{"type":"gap","missed":3}""", Samples.Event(4), Samples.Event(5, "image.built"))));
        Golden.Matches("events", (await CliRig.RunAsync(daemon, "events", "--since", "1", "--topics", "instance,image")).Transcript("gantry events --since 1 --topics instance,image"));
        daemon.Requests.Single().Query.ShouldBe("?since=1&topics=instance%2Cimage");
    }

    [Fact]
    public async Task As_json_each_is_a_line_as_it_was_sent()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("GET /events", Stream(Sent(Samples.Event(4), Samples.Event(5))));
        (await CliRig.RunAsync(daemon, "events", "-o", "json")).Out.ShouldBe($"{Samples.Event(4)}\n{Samples.Event(5)}\n");
    }

    [Fact]
    public async Task A_stream_that_breaks_is_taken_up()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await using var daemon = await FakeDaemon.StartAsync();
        daemon.On("GET /events", Stream(": hello\n\n", context => context.Abort())).On("GET /events", async context =>
        {
            stop.CancelAfter(TimeSpan.FromMilliseconds(500));
            await Stream(Sent(Samples.Event(8)))(context);
        });
        var result = await new CliRig { Socket = daemon.Socket, Stop = stop.Token }.RunAsync("events", "--follow", "-q", "--since", "6");
        result.Out.ShouldBe("instance.started\n");
        daemon.Requests.Select(seen => seen.Query).ShouldBe(["?since=6", "?since=6"]);
    }

    [Fact]
    public async Task A_stream_that_ends_is_taken_up_where_it_ended()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await using var daemon = await FakeDaemon.StartAsync();
        daemon.On("GET /events", Stream(Sent(Samples.Event(7)), _ => { }))
            .On("GET /events", async context =>
            {
                stop.CancelAfter(TimeSpan.FromMilliseconds(500));
                await Stream(Sent(Samples.Event(8)))(context);
            });
        var result = await new CliRig { Socket = daemon.Socket, Stop = stop.Token }.RunAsync("events", "--follow", "-o", "json");
        result.Out.ShouldBe($"{Samples.Event(7)}\n{Samples.Event(8)}\n");
        result.Error.ShouldStartWith("The connection to the daemon ended");
        daemon.Requests.Select(seen => seen.Query).ShouldBe(["?", "?since=7"]);
    }

    [Fact]
    public async Task Following_nobody_is_exit_code_7() =>
        (await new CliRig { Socket = "/nonexistent" }.RunAsync("events", "--follow")).Code.ShouldBe(7);
}
