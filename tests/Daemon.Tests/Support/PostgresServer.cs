using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Gantry.Daemon.Tests.Support;

/// <summary>
/// A real PostgreSQL in a directory of its own below /tmp, reached by Unix socket only. It hangs on a pipe of this process:
/// however the tests end, killed ones too, the server ends and its directory goes with it.
/// </summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private const string Prefix = "gantry-tests-";
    private static int _count;
    private readonly string _root = $"/tmp/{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _count)}";
    private readonly string _binaries = Directory.GetDirectories("/usr/lib/postgresql").Max()! + "/bin";
    private Process? _process;

    public string ConnectionString(string database) => new NpgsqlConnectionStringBuilder
    {
        Host = _root,
        Username = "postgres",
        Database = database,
        MaxPoolSize = 40,
        MaxAutoPrepare = 50,
        AutoPrepareMinUsages = 2,
        Timeout = 5,
        CommandTimeout = 15,
    }.ConnectionString;

    public async Task CreateAsync()
    {
        SweepStale();
        Directory.CreateDirectory(_root);
        await RunAsync("chown", "postgres", _root);
        await RunAsync(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
            $"{_binaries}/initdb", "-D", $"{_root}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        await StartAsync();
    }

    public async Task StartAsync()
    {
        // `read` returns when this process says so or is gone. exec keeps the shell as the server's only parent.
        const string watchdog = """
            "$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=900 -c shared_buffers=64MB -c log_min_messages=fatal >"$2/log" 2>&1 &
            read word; kill -INT $!; wait $!; [ "$word" = keep ] || rm -rf "$2"
            """;
        _process = Start(["setsid", "setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "sh", "-c", watchdog, "sh", _binaries, _root]);
        await using var source = NpgsqlDataSource.Create(ConnectionString("postgres") + ";Pooling=false");
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);
        while (true)
        {
            try
            {
                await using var connection = await source.OpenConnectionAsync(deadline.Token);
                return;
            }
            catch (NpgsqlException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
            }
        }
    }

    /// <summary>Breaks every connection off and stops the server; <see cref="StartAsync"/> brings it back with its data.</summary>
    public Task StopAsync() => EndAsync("keep");

    public async ValueTask DisposeAsync() => await EndAsync("remove");

    private async Task EndAsync(string word)
    {
        if (_process is { } process)
        {
            _process = null;
            await process.StandardInput.WriteLineAsync(word);
            process.StandardInput.Close();
            await process.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromMinutes(3), TimeProvider.System).Token);
            process.Dispose();
        }
    }

    private static void SweepStale()
    {
        foreach (var root in Directory.GetDirectories("/tmp", $"{Prefix}*-*"))
        {
            var owner = Path.GetFileName(root)[Prefix.Length..].Split('-')[0];
            if (int.TryParse(owner, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && !Directory.Exists($"/proc/{pid}"))
            {
                try
                {
                    Directory.Delete(root, recursive: true);
                }
                catch (IOException)
                {
                    // Its own watchdog is at it.
                }
            }
        }
    }

    private static async Task RunAsync(params string[] command)
    {
        using var process = Start(command);
        process.StandardInput.Close();
        await process.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromSeconds(60), TimeProvider.System).Token);
        process.ExitCode.ShouldBe(0, string.Join(' ', command));
    }

    private static Process Start(string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        return process;
    }
}
