using System.Diagnostics;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Tests.Support;

/// <summary>
/// A daemon as a process of its own on a root and a database of the test's, to be killed in the middle of its work. It hangs
/// on a pipe of this process as <see cref="PostgresServer"/> does: killed tests leave none behind.
/// </summary>
/// <param name="driver">Of instances that name none.</param>
internal sealed class DaemonProcess(string root, string connectionString, string driver = "sim") : IAsyncDisposable
{
    /// <summary>On the way to its failpoint it may build an image, on a machine that has much else to do.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private Process? _process;
    private ApiClient? _api;

    /// <summary>Answers once <see cref="StartAsync"/> is done.</summary>
    public ApiClient Api => _api ?? throw new InvalidOperationException("The daemon is not running.");

    public bool IsRunning => _api is not null;

    /// <summary>What sets networks up: <c>linux</c> only where the daemon has a network namespace of its own.</summary>
    public string Networks { get; init; } = "sim";

    /// <summary>A command around the daemon's, which becomes the daemon.</summary>
    public IReadOnlyList<string> Around { get; init; } = [];

    /// <param name="failpoint">As <see cref="Failpoints"/> reads it: <c>kill:instance.start:2:after</c>.</param>
    public async Task StartAsync(string? failpoint = null)
    {
        // The daemon's death is the shell's end; the shell's input closing is the daemon's death.
        const string watchdog = "\"$@\" </dev/null & daemon=$!; { read word; kill -KILL $daemon; } & wait $daemon; code=$?; kill $! 2>/dev/null; exit $code";
        var daemon = Path.Combine(AppContext.BaseDirectory, "gantryd.dll");
        var start = new ProcessStartInfo("sh",
        [
            "-c", $"exec 3<&0; {watchdog.Replace("read word", "read word <&3", StringComparison.Ordinal)}", "sh",
            .. Around, Environment.ProcessPath is { } path && Path.GetFileName(path) == "dotnet" ? path : "dotnet", daemon, "--root", root,
            "--set", $"database.connection={connectionString}", "--set", $"instances.driver={driver}", "--set", $"networks.driver={Networks}", "--set", $"networks.default={(Networks == "sim" ? "off" : "default")}", "--set", "log.level=warning",
        ])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[Failpoints.Variable] = failpoint ?? "";
        start.Environment["DOTNET_EnableDiagnostics"] = "0"; // a daemon that is killed would leave its sockets for debuggers behind
        _process = Process.Start(start)!;
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine(); // the shell's "Killed" is what the test is about

        var api = ApiClient.OverSocket(GantryRoot.At(root).Socket);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60), TimeProvider.System);
        while (true)
        {
            try
            {
                if (_process.HasExited)
                {
                    throw new InvalidOperationException($"The daemon ended with {_process.ExitCode} before it answered.");
                }

                await api.GetHealthAsync(deadline.Token);
                _api = api;
                return;
            }
            catch (Refusal refusal) when (refusal.Code is "daemon.unreachable" or OperationErrors.DatabaseUnavailable or "daemon.odd_answer")
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, deadline.Token);
            }
        }
    }

    /// <summary>Waits for the failpoint to end it.</summary>
    public async Task DeathAsync()
    {
        using var deadline = new CancellationTokenSource(Patience, TimeProvider.System);
        await _process!.WaitForExitAsync(deadline.Token);
        _process.ExitCode.ShouldBe(128 + 9);
        Forget();
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        if (_process is { } process)
        {
            process.StandardInput.Close();
            using var deadline = new CancellationTokenSource(TestDaemon.Deadline, TimeProvider.System);
            await process.WaitForExitAsync(deadline.Token);
            Forget();
        }
    }

    public async ValueTask DisposeAsync() => await KillAsync();

    private void Forget()
    {
        _api?.Dispose();
        _process?.Dispose();
        (_api, _process) = (null, null);
    }
}
