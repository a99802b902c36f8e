using System.Diagnostics;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>A daemon of the current build on a root of its own, removed at the end.</summary>
internal sealed class BenchDaemon : IAsyncDisposable
{
    private readonly string _build = Environment.GetEnvironmentVariable("GANTRY_BUILD") ?? throw new InvalidOperationException("Run this by `./dev bench`.");
    private Process? _process;
    private string _networks = "sim";

    /// <summary>One that is killed would leave its sockets for debuggers behind.</summary>
    private static Dictionary<string, string> WithoutDebugging => new() { ["DOTNET_EnableDiagnostics"] = "0" };

    public string Root { get; } = Directory.CreateTempSubdirectory("gantry-bench-").FullName;

    public string Cli => $"{_build}/cli/gantry";

    public ApiClient Api { get; private set; } = null!;

    /// <param name="networks">What sets networks up: <c>linux</c> only in a network namespace of the bench's own.</param>
    public static async Task<BenchDaemon> StartAsync(CancellationToken ct, string networks = "sim")
    {
        var daemon = new BenchDaemon { _networks = networks };

        // Its database runs as another user, who must get to it.
        File.SetUnixFileMode(daemon.Root, (UnixFileMode)0b111_101_101);
        await daemon.UpAsync(ct);
        return daemon;
    }

    /// <summary>Starts it and returns the milliseconds until its health was <c>ok</c>.</summary>
    public async Task<double> UpAsync(CancellationToken ct)
    {
        var from = Stopwatch.GetTimestamp();
        _process = Run.Start($"{_build}/daemon/gantryd", ["--root", Root, "--set", "https.listen=off", "--set", $"networks.driver={_networks}", "--set", "networks.default=off"], WithoutDebugging);
        var said = Drain(_process);
        Api = ApiClient.OverSocket($"{Root}/run/gantry.sock");
        while (Stopwatch.GetElapsedTime(from) < TimeSpan.FromMinutes(1))
        {
            if (_process.HasExited)
            {
                throw new InvalidOperationException($"gantryd ended with {_process.ExitCode}: {await said}");
            }

            try
            {
                if ((await Api.GetHealthAsync(ct)).Status == "ok")
                {
                    return Stopwatch.GetElapsedTime(from).TotalMilliseconds;
                }
            }
            catch (Refusal)
            {
                // Not listening yet.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, ct);
        }

        throw new TimeoutException("gantryd was not ready within a minute.");
    }

    public async Task DownAsync()
    {
        if (_process is { HasExited: false } running)
        {
            Run.Text("kill", ["-TERM", running.Id.ToString(CultureInfo.InvariantCulture)]);
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            await running.WaitForExitAsync(limit.Token);
        }

        _process?.Dispose();
        _process = null;
        Api.Dispose();
    }

    /// <summary>Ends it as a power cut would, its PostgreSQL goes on.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
        Api.Dispose();
    }

    /// <summary>Makes simulated instances up to this number, 16 at a time.</summary>
    public async Task FillAsync(int from, int to, CancellationToken ct) =>
        await Parallel.ForEachAsync(Enumerable.Range(from, to - from), new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = ct }, async (i, token) =>
        {
            await DoneAsync(Api.CreateInstanceAsync(new CreateInstance
            {
                Name = NameOf(i),
                Kind = InstanceKind.Container,
                Driver = "sim",
                Labels = new Dictionary<string, string> { ["role"] = "bench" },
            }, waitSeconds: 60, token));
        });

    /// <summary>The operation must have succeeded.</summary>
    public static async Task DoneAsync(Task<Operation> asked)
    {
        var operation = await asked;
        if (operation.State != OperationState.Succeeded)
        {
            throw new InvalidOperationException($"{operation.Kind} of {operation.TargetName}: {operation.Error?.Detail ?? operation.State.ToString()}");
        }
    }

    public static string NameOf(int i) => string.Create(CultureInfo.InvariantCulture, $"bench-{i:00000}");

    /// <summary>Resident megabytes of the daemon itself, without PostgreSQL.</summary>
    public double ResidentMegabytes() =>
        double.Parse(File.ReadLines($"/proc/{_process!.Id}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;

    /// <summary>Seconds of CPU the daemon has used so far.</summary>
    public double CpuSeconds()
    {
        _process!.Refresh();
        return _process.TotalProcessorTime.TotalSeconds;
    }

    public async ValueTask DisposeAsync()
    {
        await DownAsync();
        if (_networks != "sim")
        {
            Run.Text(Path.Combine(Machine.Source, "deploy/networks-down.sh"), [$"{Root}/data", $"{Root}/run", Root]);
        }

        Directory.Delete(Root, recursive: true);
    }

    private static async Task<string> Drain(Process process)
    {
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        return string.Concat(said);
    }
}
