using System.Diagnostics;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Repo.Tests;

/// <summary>A real daemon with its real PostgreSQL on a root of its own.</summary>
public sealed class RunningDaemon : IAsyncLifetime
{
    private Process? _process;

    public string Root { get; } = Directory.CreateTempSubdirectory("gantry-repo-").FullName;

    public ApiClient Api { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        // Its database runs as another user, who must get to it.
        File.SetUnixFileMode(Root, (UnixFileMode)0b111_101_101);
        var log = $"{Root}/said";
        _process = Process.Start(new ProcessStartInfo("/bin/sh",
            ["-c", "exec \"$0\" --root \"$1\" --set https.listen=off --set networks.driver=sim --set networks.default=off >\"$2\" 2>&1", $"{AppContext.BaseDirectory}/gantryd", Root, log])
        {
            Environment = { ["DOTNET_EnableDiagnostics"] = "0" }, // a daemon that is killed would leave its sockets for debuggers behind
        })!;
        Api = ApiClient.OverSocket($"{Root}/run/gantry.sock");
        var from = Stopwatch.GetTimestamp();
        while (!await IsReadyAsync())
        {
            if (_process.HasExited || Stopwatch.GetElapsedTime(from) > TimeSpan.FromMinutes(2))
            {
                throw new InvalidOperationException($"gantryd does not get ready: {await File.ReadAllTextAsync(log)}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    }

    /// <summary>Runs a command to its end and returns what it wrote.</summary>
    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
        await process.WaitForExitAsync(limit.Token);
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} ended with {process.ExitCode}.");
    }

    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        if (_process is { HasExited: false } running)
        {
            await RunAsync("kill", "-TERM", running.Id.ToString(CultureInfo.InvariantCulture));
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            await running.WaitForExitAsync(limit.Token);
        }

        _process?.Dispose();
        Directory.Delete(Root, recursive: true);
    }

    private async Task<bool> IsReadyAsync()
    {
        try
        {
            return (await Api.GetHealthAsync()).Status == "ok";
        }
        catch (Refusal)
        {
            return false;
        }
    }
}
