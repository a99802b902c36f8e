using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>
/// Packages of the node's Debian, fetched and unpacked without being installed. What was fetched stays in a cache that
/// all roots of a machine share (<c>/var/cache/gantry</c>, or the directory <c>GANTRY_CACHE</c> names), checked by SHA-256.
/// </summary>
/// <param name="architecture">Debian's word for it; the node's own when left out. Another one's indexes are fetched beside the cache, apt's own stay as they are.</param>
internal sealed partial class DebianPackages(IShell shell, string? cache = null, string? architecture = null)
{
    public const string CacheVariable = "GANTRY_CACHE";

    private static readonly TimeSpan AskDeadline = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan UnpackDeadline = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan FetchDeadline = TimeSpan.FromMinutes(15);

    /// <summary>Written when the node's administrator asked for news of packages; then ours are asked for again too.</summary>
    private const string NodesIndexes = "/var/lib/apt/lists";

    private readonly string _cache = $"{CacheFolder(cache)}/packages";
    private readonly string _indexes = $"{CacheFolder(cache)}/apt-{architecture}";
    private bool _indexed = architecture is null;

    public static string CacheFolder(string? given = null) => given ?? Environment.GetEnvironmentVariable(CacheVariable) ?? "/var/cache/gantry";

    /// <summary>The package a meta package such as linux-image-cloud-amd64 stands for today.</summary>
    /// <exception cref="Contracts.Refusal"><c>image.packages_unavailable</c></exception>
    public async Task<string> ResolveAsync(string meta, string prefix, CancellationToken ct)
    {
        var depends = await AskAsync(meta, "apt-cache", [.. await AptAsync(ct), "depends", "--no-recommends", "--no-suggests", meta], ct);
        return depends.Split('\n').Select(l => l.Trim()).Where(l => l.StartsWith($"Depends: {prefix}", StringComparison.Ordinal)).Select(l => l["Depends: ".Length..]).FirstOrDefault()
            ?? throw ImageErrors.PackagesUnavailable(meta, $"apt knows no package {prefix}… behind it.");
    }

    /// <summary>Unpacks the files of a package into a folder.</summary>
    /// <param name="under">For half-done downloads.</param>
    /// <exception cref="Contracts.Refusal"><c>image.packages_unavailable</c></exception>
    public async Task UnpackAsync(string package, string folder, string under, CancellationToken ct)
    {
        var file = await FetchAsync(package, under, ct);
        Directory.CreateDirectory(folder);
        await AskAsync(package, "dpkg-deb", ["-x", file, folder], ct, deadline: UnpackDeadline);
    }

    private async Task<string> FetchAsync(string package, string under, CancellationToken ct)
    {
        var answer = await AskAsync(package, "apt-get", [.. await AptAsync(ct), "download", "--print-uris", "-qq", package], ct);
        if (Uri().Match(answer) is not { Success: true } uri)
        {
            throw ImageErrors.PackagesUnavailable(package, "apt names no place to fetch it from.");
        }

        var (name, sum) = (uri.Groups["file"].Value, uri.Groups["sum"].Value);
        var kept = $"{_cache}/{name}";
        if (await HasSumAsync(kept, sum, ct))
        {
            return kept;
        }

        // As root apt would like to fetch as its own user, who has no business in this folder.
        Directory.CreateDirectory(under);
        await AskAsync(package, "apt-get", [.. await AptAsync(ct), "download", "-q", "-o", "APT::Sandbox::User=root", package], ct, under, FetchDeadline);
        var fetched = $"{under}/{name}";
        if (!await HasSumAsync(fetched, sum, ct))
        {
            throw ImageErrors.PackagesUnavailable(package, "what apt fetched is not what it announced.");
        }

        Directory.CreateDirectory(_cache);
        var beside = $"{kept}.{Guid.CreateVersion7():N}";
        File.Copy(fetched, beside);
        File.Move(beside, kept, overwrite: true);
        return kept;
    }

    /// <summary>What apt is told so that it speaks of the wanted architecture; its indexes are there then.</summary>
    private async Task<string[]> AptAsync(CancellationToken ct)
    {
        string[] options = architecture is null ? [] :
        [
            "-o", $"APT::Architecture={architecture}", "-o", $"APT::Architectures={architecture}",
            "-o", $"Dir::State={_indexes}/state", "-o", "Dir::State::status=/dev/null", "-o", $"Dir::Cache={_indexes}/cache",
        ];
        if (!_indexed)
        {
            Directory.CreateDirectory($"{_indexes}/state/lists/partial");
            Directory.CreateDirectory($"{_indexes}/cache/archives/partial");
            using var onlyMe = await Task.Run(() => Posix.Locked($"{_indexes}/lock"), ct);
            var stamp = $"{_indexes}/fetched";
            if (!File.Exists(stamp) || File.GetLastWriteTimeUtc(stamp) < Directory.GetLastWriteTimeUtc(NodesIndexes))
            {
                await AskAsync($"of {architecture}", "apt-get", [.. options, "-q", "-o", "APT::Sandbox::User=root", "update"], ct, deadline: FetchDeadline);
                await File.WriteAllTextAsync(stamp, "", ct);
            }

            _indexed = true;
        }

        return options;
    }

    private async Task<string> AskAsync(string package, string program, IReadOnlyList<string> arguments, CancellationToken ct, string? folder = null, TimeSpan? deadline = null)
    {
        try
        {
            return (await shell.RunAsync(new(program, arguments, deadline ?? AskDeadline) { WorkingDirectory = folder }, ct)).Output;
        }
        catch (CommandFailed e)
        {
            throw ImageErrors.PackagesUnavailable(package, e.Message);
        }
    }

    private static async Task<bool> HasSumAsync(string path, string sum, CancellationToken ct)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        await using var content = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(content, ct)) == sum;
    }

    [GeneratedRegex(@"^'[^']+' (?<file>[A-Za-z0-9][^/\s]*\.deb) \d+ SHA256:(?<sum>[0-9a-f]{64})", RegexOptions.CultureInvariant | RegexOptions.Multiline)]
    private static partial Regex Uri();
}
