using System.Collections.Concurrent;
using System.Text.Json.Serialization.Metadata;
using Gantry.Contracts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Gantry.Cli.Tests;

internal sealed record Seen(string Method, string Path, string Query, string Body, string? IdempotencyKey);

/// <summary>A daemon that answers on a Unix socket what it was told to, in the API's own form. For how the command speaks and prints; the real daemon is tested elsewhere.</summary>
internal sealed class FakeDaemon : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, ConcurrentQueue<Func<HttpContext, Task>>> _answers = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("gantry-cli-").FullName;
    private WebApplication? _host;

    public string Socket => Path.Combine(_folder, "d.sock");

    public ConcurrentQueue<Seen> Requests { get; } = new();

    public static async Task<FakeDaemon> StartAsync()
    {
        var daemon = new FakeDaemon();
        await daemon.UpAsync();
        return daemon;
    }

    public async Task UpAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options => options.ListenUnixSocket(Socket));
        _host = builder.Build();
        _host.UseWebSockets();
        _host.Run(HandleAsync);
        await _host.StartAsync();
    }

    public async Task DownAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await _host!.StopAsync(now.Token);
        await _host.DisposeAsync();
        File.Delete(Socket);
    }

    public async ValueTask DisposeAsync()
    {
        await DownAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Answers of one route come in the order given; the last one stays.</summary>
    public FakeDaemon On(string route, Func<HttpContext, Task> answer)
    {
        _answers.GetOrAdd(route, _ => new()).Enqueue(answer);
        return this;
    }

    public FakeDaemon On(string route, string json, int status = 200) => On(route, context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = status >= 400 ? "application/problem+json" : "application/json";
        return context.Response.WriteAsync(json);
    });

    public FakeDaemon On<T>(string route, T body, JsonTypeInfo<T> type, int status = 200) => On(route, System.Text.Json.JsonSerializer.Serialize(body, type), status);

    public FakeDaemon Refuses(string route, Refusal refusal) => On(route, Problem.From(refusal, "req-1"), WireJson.Default.Problem, refusal.Status);

    private async Task HandleAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync();
        var path = context.Request.Path.Value![ApiClient.Base.Length..];
        Requests.Enqueue(new Seen(context.Request.Method, path, context.Request.QueryString.Value ?? "", body, context.Request.Headers["Idempotency-Key"]));
        if (!_answers.TryGetValue($"{context.Request.Method} {path}", out var queue) || !queue.TryPeek(out var answer))
        {
            context.Response.StatusCode = 418;
            await context.Response.WriteAsync($"The test has no answer for {context.Request.Method} {path}.");
            return;
        }

        if (queue.Count > 1)
        {
            queue.TryDequeue(out _);
        }

        await answer(context);
    }
}
