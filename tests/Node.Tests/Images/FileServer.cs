using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Gantry.Node.Tests.Images;

/// <summary>A web server with one file, which answers each request as a test tells it to; the last answer stays.</summary>
internal sealed class FileServer : IAsyncDisposable
{
    private readonly ConcurrentQueue<Func<HttpContext, Task>> _answers;
    private readonly WebApplication _app;

    private FileServer(WebApplication app, IEnumerable<Func<HttpContext, Task>> answers) => (_app, _answers) = (app, new(answers));

    public Uri Url => new($"{_app.Urls.Single()}/disk.raw?signature=secret");

    public ConcurrentQueue<(string Range, string IfRange)> Requests { get; } = new();

    public static async Task<FileServer> StartAsync(params Func<HttpContext, Task>[] answers)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = new FileServer(builder.Build(), answers);
        server._app.Run(server.AnswerAsync);
        await server._app.StartAsync();
        return server;
    }

    /// <summary>The file, or the part of it that is asked for, as a server does that knows ranges.</summary>
    /// <param name="breakAfter">Ends the connection after so many bytes of the answer.</param>
    /// <param name="hang">Goes silent there, until the client or the test ends.</param>
    public static Func<HttpContext, Task> File(byte[] content, string? etag = "\"one\"", int? breakAfter = null, bool hang = false, DateTimeOffset? modified = null) => async http =>
    {
        var ifRange = http.Request.Headers.IfRange.ToString();
        var matches = ifRange.Length > 0 && (ifRange == etag || (modified is { } when && ifRange == when.ToString("R")));
        var from = matches && http.Request.Headers.Range.ToString() is ['b', ..] range ? int.Parse(range["bytes=".Length..].TrimEnd('-'), System.Globalization.CultureInfo.InvariantCulture) : 0;
        http.Response.Headers.ETag = etag;
        http.Response.Headers.LastModified = modified?.ToString("R");
        http.Response.ContentLength = content.Length - from;
        if (from > 0)
        {
            http.Response.StatusCode = 206;
            http.Response.Headers.ContentRange = $"bytes {from}-{content.Length - 1}/{content.Length}";
        }

        await http.Response.Body.WriteAsync(content.AsMemory(from, Math.Min(breakAfter ?? int.MaxValue, content.Length - from)));
        await http.Response.Body.FlushAsync();
        if (hang)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, http.RequestAborted);
        }

        if (breakAfter is not null)
        {
            http.Abort();
        }
    };

    public static Func<HttpContext, Task> Status(int status) => http =>
    {
        http.Response.StatusCode = status;
        return Task.CompletedTask;
    };

    public static Func<HttpContext, Task> Redirect(string to) => http =>
    {
        http.Response.Redirect(to);
        return Task.CompletedTask;
    };

    public static async Task Endless(HttpContext http)
    {
        var block = new byte[1 << 16];
        while (!http.RequestAborted.IsCancellationRequested)
        {
            await http.Response.Body.WriteAsync(block, http.RequestAborted);
        }
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private Task AnswerAsync(HttpContext http)
    {
        Requests.Enqueue((http.Request.Headers.Range.ToString(), http.Request.Headers.IfRange.ToString()));
        return (_answers.Count > 1 && _answers.TryDequeue(out var next) ? next : _answers.TryPeek(out var last) ? last : Status(500))(http);
    }
}
