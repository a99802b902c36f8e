using System.Collections.Concurrent;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Gantry.Daemon.Tests.Images;

/// <summary>A real daemon, ended by SIGKILL in the middle of a download: its next run fetches the rest, not all of it again.</summary>
public sealed class KilledImportTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private const int Half = 1 << 20;

    [Fact]
    public async Task A_download_goes_on_where_the_killed_daemon_was()
    {
        var disk = new byte[2 * Half];
        new Random(1).NextBytes(disk);
        var ranges = new ConcurrentQueue<string>();
        var halfSent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await ServeAsync(async http =>
        {
            ranges.Enqueue(http.Request.Headers.Range.ToString());
            var from = ranges.Count == 1 ? 0 : int.Parse(http.Request.Headers.Range.ToString()["bytes=".Length..^1], System.Globalization.CultureInfo.InvariantCulture);
            http.Response.Headers.ETag = "\"one\"";
            http.Response.ContentLength = disk.Length - from;
            http.Response.StatusCode = from == 0 ? 200 : 206;
            http.Response.Headers.ContentRange = from == 0 ? default : $"bytes {from}-{disk.Length - 1}/{disk.Length}";
            await http.Response.Body.WriteAsync(disk.AsMemory(from, from == 0 ? Half : disk.Length - from));
            await http.Response.Body.FlushAsync();
            if (from == 0)
            {
                halfSent.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, http.RequestAborted);
            }
        });
        using var root = new TestRoot();
        await using var daemon = new DaemonProcess(root.Path, Database);
        await daemon.StartAsync();
        var begun = await daemon.Api.ImportImageAsync(new() { Name = "fetched", Url = $"{server.Urls.Single()}/disk?token=secret" });
        await halfSent.Task.WaitAsync(TestDaemon.Deadline);
        await Eventually.ShouldBeAsync(() => Task.FromResult(new FileInfo($"{root.Path}/data/images/.{Guid.Parse(begun.Target["images/".Length..])}.new/original") is { Exists: true, Length: Half }), true);
        await daemon.KillAsync();

        await daemon.StartAsync();

        var ended = await daemon.Api.GetOperationAsync(begun.Id, 120);
        ended.State.ShouldBe(OperationState.Succeeded, ended.Error?.Detail);
        ranges.ShouldBe(["", $"bytes={Half}-"]);
        var image = await daemon.Api.GetImageAsync("fetched");
        (image.DiskBytes, image.Source).ShouldBe((disk.Length, $"{server.Urls.Single()}/disk"));
        Directory.GetFileSystemEntries($"{root.Path}/data/images").Length.ShouldBe(1);
    }

    private static async Task<WebApplication> ServeAsync(RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync();
        return app;
    }
}
