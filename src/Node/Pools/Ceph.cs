using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>
/// The one door to Ceph: rbd(8), rados(8) and ceph(8). They are told all they need, whatever the node's own configuration says, and are
/// answered within a time or given up.
/// </summary>
/// <param name="keyring">The file with the user and key; found anew for each command, since it may be replaced.</param>
/// <param name="keys">As <see cref="RbdImage.Keys"/>.</param>
internal sealed class Ceph(IShell shell, CephSource source, Func<string> keyring, string keys)
{
    private const int NoEntry = 2, Busy = 16, Exists = 17, NotEmpty = 39; // as rbd(8) ends with the error it met
    private const string Features = "layering,exclusive-lock,object-map,fast-diff,deep-flatten";

    private static readonly TimeSpan ChangesWithin = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LooksWithin = TimeSpan.FromSeconds(10);

    /// <summary>Whatever the daemon was started with.</summary>
    private static readonly Dictionary<string, string> Plain = new() { ["CEPH_ARGS"] = "" };

    public CephSource Source => source;

    /// <summary>An image that is not there, or a snapshot of it, or an object; not a pool.</summary>
    public static bool IsMissing(CommandFailed e) =>
        (e.ExitCode == NoEntry || e.Errors.Contains("(2) No such file or directory", StringComparison.Ordinal))
        && !e.Errors.Contains("error opening pool", StringComparison.Ordinal) && !e.Errors.Contains("namespace '", StringComparison.Ordinal);

    public static bool IsThere(CommandFailed e) => e.ExitCode == Exists || e.Errors.Contains("(17) File exists", StringComparison.Ordinal);

    public static bool HasSnapshots(CommandFailed e) => e.ExitCode == NotEmpty;

    /// <summary>Somebody has it open, or had a moment ago.</summary>
    public static bool IsOpen(CommandFailed e) => e.ExitCode == Busy;

    public string Spec(string image) => $"{source.Place}/{image}";

    public string Spec(string image, string snapshot) => $"{source.Place}/{image}@{snapshot}";

    /// <summary>How an image is opened by QEMU and its tools.</summary>
    public RbdImage Open(string image, string? snapshot, long sizeBytes) =>
        new(source.Pool, source.Namespace, image, snapshot, sizeBytes, source.Servers, UserOf(keyring()), keyring(), keys);

    /// <summary>Changes something, to its end: a command that is killed in the middle may leave an image that is neither there nor not.</summary>
    /// <exception cref="CommandFailed"/>
    public Task ChangeAsync(CancellationToken ct, params IReadOnlyList<string> arguments) => ChangeAsync(ChangesWithin, null, ct, arguments);

    /// <exception cref="CommandFailed"/>
    public async Task ChangeAsync(TimeSpan within, Action<string>? heard, CancellationToken ct, params IReadOnlyList<string> arguments)
    {
        ct.ThrowIfCancellationRequested();
        await shell.RunAsync(Command("rbd", [.. Who(), .. arguments], within) with { Heard = heard }, CancellationToken.None);
    }

    /// <summary>An empty image.</summary>
    public Task CreateAsync(string image, long sizeBytes, CancellationToken ct) => ChangeAsync(ct, "create", "--size", Bytes(sizeBytes), "--image-feature", Features, Spec(image));

    /// <summary>An image that begins as a snapshot, which stays as long as the image needs it, though nobody see it any more.</summary>
    public Task CloneAsync(string image, string snapshot, string to, CancellationToken ct) =>
        ChangeAsync(ct, "clone", "--rbd-default-clone-format", "2", "--image-feature", Features, Spec(image, snapshot), Spec(to));

    public Task GrowAsync(string image, long sizeBytes, CancellationToken ct) => ChangeAsync(ct, "resize", "--no-progress", "--size", Bytes(sizeBytes), Spec(image));

    /// <summary>Of the pool and namespace, one another's too.</summary>
    /// <exception cref="CommandFailed"/>
    public async Task<IReadOnlyList<string>> ImagesAsync(CancellationToken ct)
    {
        using var answer = await AskAsync(ct, "ls", source.Place);
        return [.. answer.RootElement.EnumerateArray().Select(n => n.GetString()!)];
    }

    /// <returns>Null when it is not there.</returns>
    /// <exception cref="CommandFailed"/>
    public async Task<CephImage?> FindAsync(string image, CancellationToken ct)
    {
        try
        {
            using var answer = await AskAsync(ct, "info", Spec(image));
            var parent = answer.RootElement.TryGetProperty("parent", out var said) ? said.GetProperty("image").GetString() : null;
            return new(answer.RootElement.GetProperty("size").GetInt64(), parent);
        }
        catch (CommandFailed e) when (IsMissing(e))
        {
            return null;
        }
    }

    /// <summary>The names of an image's snapshots; none of one that is not there.</summary>
    public Task<IReadOnlyList<string>> SnapshotsAsync(string image, CancellationToken ct) => NamesAsync("name", ct, "snap", "ls", Spec(image));

    /// <summary>The images that stand on an image, or on one snapshot of it.</summary>
    public Task<IReadOnlyList<string>> ChildrenAsync(string image, string? snapshot, CancellationToken ct) =>
        snapshot is null ? NamesAsync("image", ct, "children", "--all", Spec(image)) : NamesAsync("image", ct, "children", Spec(image, snapshot));

    /// <summary>How much was written to an image up to each of its snapshots since the one before, in whole objects.</summary>
    public async Task<IReadOnlyDictionary<string, long>> UsedAsync(string image, CancellationToken ct)
    {
        using var answer = await AskAsync(ct, "du", Spec(image));
        return answer.RootElement.GetProperty("images").EnumerateArray().Where(i => i.TryGetProperty("snapshot", out _))
            .ToDictionary(i => i.GetProperty("snapshot").GetString()!, i => i.GetProperty("used_size").GetInt64());
    }

    /// <summary>What room the pool has; null where the cluster does not say, as when none of its managers runs.</summary>
    /// <exception cref="CommandFailed"/>
    public async Task<(long UsedBytes, long FreeBytes)?> RoomAsync(CancellationToken ct)
    {
        var answer = await shell.RunAsync(Command("ceph", [.. Who(), "--connect-timeout", "5", "df", "--format", "json"], LooksWithin), ct);
        using var document = JsonDocument.Parse(answer.Output);
        foreach (var pool in document.RootElement.GetProperty("pools").EnumerateArray().Where(p => p.GetProperty("name").GetString() == source.Pool))
        {
            var stats = pool.GetProperty("stats");
            return (stats.GetProperty("stored").GetInt64(), stats.GetProperty("max_avail").GetInt64());
        }

        return null;
    }

    /// <summary>An object's text; null when it is not there.</summary>
    /// <exception cref="CommandFailed"/>
    public async Task<string?> ReadAsync(string name, CancellationToken ct, bool isQuick = false)
    {
        try
        {
            return (await shell.RunAsync(Command("rados", [.. Who(), .. Where(), "get", name, "-"], isQuick ? LooksWithin : AnswersWithin), ct)).Output;
        }
        catch (CommandFailed e) when (IsMissing(e))
        {
            return null;
        }
    }

    /// <summary>Puts a text in an object's place, at one instant.</summary>
    public async Task WriteAsync(string name, string text, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        await shell.RunAsync(Command("rados", [.. Who(), .. Where(), "put", name, "-"], AnswersWithin) with { Input = text }, CancellationToken.None);
    }

    public async Task RemoveAsync(string name, CancellationToken ct)
    {
        try
        {
            await shell.RunAsync(Command("rados", [.. Who(), .. Where(), "rm", name], AnswersWithin), ct);
        }
        catch (CommandFailed e) when (IsMissing(e))
        {
        }
    }

    private static string Bytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes}B");

    private async Task<IReadOnlyList<string>> NamesAsync(string property, CancellationToken ct, params IReadOnlyList<string> arguments)
    {
        try
        {
            using var answer = await AskAsync(ct, arguments);
            return [.. answer.RootElement.EnumerateArray().Select(i => i.GetProperty(property).GetString()!)];
        }
        catch (CommandFailed e) when (IsMissing(e))
        {
            return [];
        }
    }

    private async Task<JsonDocument> AskAsync(CancellationToken ct, params IReadOnlyList<string> arguments) =>
        JsonDocument.Parse((await shell.RunAsync(Command("rbd", [.. Who(), .. arguments, "--format", "json"], AnswersWithin), ct)).Output);

    private static Command Command(string program, IReadOnlyList<string> arguments, TimeSpan within) => new(program, arguments, within) { Environment = Plain };

    private string[] Who()
    {
        var path = keyring();
        return ["--conf", "/dev/null", "-m", string.Join(',', source.Monitors), "--id", UserOf(path), "--keyring", path, "--client_mount_timeout=5"];
    }

    private static string UserOf(string keyring) => CephKeyring.TryRead(keyring)?.User ?? throw ImageErrors.NoKey(keyring);

    private string[] Where() => ["-p", source.Pool, .. source.Namespace is { } name ? (string[])["--namespace", name] : []];
}

/// <param name="Parent">What it stands on; null when it stands alone.</param>
internal sealed record CephImage(long SizeBytes, string? Parent);
