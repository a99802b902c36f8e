using System.Globalization;
using Gantry.Contracts;
using Gantry.Node;
using Gantry.Node.Host;

namespace Gantry.Daemon.Postgres;

/// <summary>
/// The daemon's own PostgreSQL: initialised once in its data directory, run as the system's user <c>postgres</c>, reached
/// over a Unix socket by peer authentication alone. It outlives a killed daemon and is taken up again.
/// </summary>
internal sealed class PostgresServer(GantryRoot root, IShell shell, string? installation = null)
{
    private const string User = "postgres";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>Once in a cluster's life, and what a slow host has begun is not begun again.</summary>
    private static readonly TimeSpan PatienceAtFirst = TimeSpan.FromMinutes(10);

    private string Cluster => $"{root.Data}/postgres";

    /// <summary>Root's, not the server's: root writes here, and the server's user is one that others share.</summary>
    private string Settings => $"{root.Data}/postgres-settings";

    private string SocketDirectory => $"{root.Run}/postgres";

    /// <summary>For Npgsql: the user this daemon runs as, and nobody else, is the role <c>gantry</c>.</summary>
    public string ConnectionString(string database = "gantry") =>
        $"Host={SocketDirectory};Username=gantry;Database={database};Timeout=5;Command Timeout=30;Maximum Pool Size=32;Max Auto Prepare=100;Auto Prepare Min Usages=2;No Reset On Close=true;Include Error Detail=true";

    /// <summary>
    /// The server's process while it runs. Its working directory is its cluster: a number left in the file by a power cut may
    /// be another server's by now.
    /// </summary>
    public int? Pid =>
        File.Exists($"{Cluster}/postmaster.pid")
        && int.TryParse(File.ReadLines($"{Cluster}/postmaster.pid").FirstOrDefault(), CultureInfo.InvariantCulture, out var pid)
        && HostUsers.WorksIn(pid, Cluster)
            ? pid : null;

    /// <summary>Makes the cluster if there is none, starts it if it does not run, and returns when it answers.</summary>
    /// <exception cref="Refusal"><c>postgres.missing</c>, <c>postgres.other_version</c>, <c>postgres.failed</c></exception>
    public async Task StartAsync(CancellationToken ct)
    {
        var programs = Programs();
        if (!File.Exists($"{Cluster}/PG_VERSION"))
        {
            await InitialiseAsync(programs, ct);
        }

        MakeOwned(SocketDirectory);
        Configure();
        if (Pid is null)
        {
            // Not cancelled half-way: until pg_ctl is done the server is its child, and would be killed with it.
            await RunAsync(programs, "pg_ctl", ["start", "-D", Cluster, "-l", $"{Cluster}/server.log", "-o", $"-c config_file={Settings}/postgresql.conf", "-w", "-t", "80"], CancellationToken.None);
        }
    }

    /// <summary>Ends it in good order; sessions are cut off, what they had committed is on disk.</summary>
    public async Task StopAsync(CancellationToken ct)
    {
        if (Pid is not null)
        {
            await RunAsync(Programs(), "pg_ctl", ["stop", "-D", Cluster, "-m", "fast", "-w", "-t", "80"], ct);
        }
    }

    /// <summary>initdb works beside the final place, so a crash in its middle leaves no half cluster.</summary>
    private async Task InitialiseAsync(string programs, CancellationToken ct)
    {
        var beside = $"{Cluster}.new";
        if (Directory.Exists(beside))
        {
            Directory.Delete(beside, recursive: true);
        }

        MakeOwned(beside);
        await RunAsync(programs, "initdb",
            ["-D", beside, "-U", "gantry", "-E", "UTF8", "--locale=C.UTF-8", "--auth-local=peer", "--auth-host=reject", "--data-checksums"], ct, PatienceAtFirst);
        Directory.Move(beside, Cluster);
    }

    /// <summary>Written at each start, so that an upgrade of Gantry brings its settings along.</summary>
    private void Configure()
    {
        Directory.CreateDirectory(Settings);
        File.SetUnixFileMode(Settings, (UnixFileMode)0b111_101_101);
        Write("postgresql.conf", $"""
            hba_file = '{Settings}/pg_hba.conf'
            ident_file = '{Settings}/pg_ident.conf'
            listen_addresses = ''
            unix_socket_directories = '{SocketDirectory}'
            unix_socket_permissions = 0700
            max_connections = 64
            shared_buffers = 64MB
            huge_pages = off
            jit = off
            default_toast_compression = lz4
            max_wal_size = 512MB
            max_wal_senders = 0
            wal_level = minimal
            log_line_prefix = '%m [%p] '
            log_timezone = 'UTC'
            timezone = 'UTC'
            """);
        Write("pg_hba.conf", "local all gantry peer map=gantry");
        Write("pg_ident.conf", $"gantry {Environment.UserName} gantry");

        void Write(string name, string text)
        {
            var path = $"{Settings}/{name}";
            File.WriteAllText(path, text + "\n");
            File.SetUnixFileMode(path, (UnixFileMode)0b110_100_100);
        }
    }

    private void MakeOwned(string directory)
    {
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        HostUsers.Give(directory, User);
    }

    /// <summary>Where Debian keeps the server's programs: those of the version that made the cluster, else the newest.</summary>
    private string Programs()
    {
        var home = installation ?? "/usr/lib/postgresql";
        var versions = Directory.Exists(home)
            ? Directory.EnumerateDirectories(home).Where(d => File.Exists($"{d}/bin/postgres")).Select(d => Path.GetFileName(d)!).ToList()
            : [];
        if (File.Exists($"{Cluster}/PG_VERSION") && File.ReadAllText($"{Cluster}/PG_VERSION").Trim() is var made)
        {
            return versions.Contains(made)
                ? $"{home}/{made}/bin"
                : throw PostgresErrors.OtherVersion(Cluster, made, versions);
        }

        return versions.MaxBy(v => int.TryParse(v, CultureInfo.InvariantCulture, out var n) ? n : 0) is { } newest
            ? $"{home}/{newest}/bin"
            : throw PostgresErrors.Missing(home);
    }

    private async Task RunAsync(string programs, string program, string[] arguments, CancellationToken ct, TimeSpan? patience = null)
    {
        try
        {
            await shell.RunAsync(new Command($"{programs}/{program}", arguments, patience ?? Patience, User), ct);
        }
        catch (CommandFailed e)
        {
            throw PostgresErrors.Failed(program, e, $"{Cluster}/server.log");
        }
    }
}

internal static class PostgresErrors
{
    public static Refusal Missing(string home) => Refusal.Unavailable(
        "postgres.missing", $"No PostgreSQL server is installed under {home}.", "`apt-get install postgresql`, or name a shared server with `database.connection` in the configuration.");

    public static Refusal OtherVersion(string cluster, string made, IReadOnlyList<string> installed) => Refusal.Unavailable(
        "postgres.other_version", $"{cluster} was made by PostgreSQL {made}; installed is {(installed.Count == 0 ? "none" : string.Join(", ", installed))}.",
        $"`apt-get install postgresql-{made}`, or carry the data over with pg_upgrade.");

    public static Refusal Failed(string program, CommandFailed e, string log) => new(
        "postgres.failed", 503, $"{e.Message}", $"{log} says more; `{program}` was run as the user postgres.", inner: e);
}
