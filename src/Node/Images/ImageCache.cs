using System.Security.Cryptography;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>
/// Images that take minutes to make, kept for a week for all roots of a machine beside the packages (<see cref="DebianPackages"/>).
/// Checked by SHA-256 when taken out; one that is damaged or old is made anew.
/// </summary>
internal sealed class ImageCache(TimeProvider time, string? cache = null)
{
    private const int HeldByAnother = 11; // EWOULDBLOCK of flock(2)

    private static readonly TimeSpan Fresh = TimeSpan.FromDays(7);
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    private readonly string _cache = $"{DebianPackages.CacheFolder(cache)}/images";

    /// <summary>Puts the files of an image into a folder: from the cache, or made there by <paramref name="make"/> and kept.</summary>
    /// <param name="key">What it is made of: recipe, its version, suite, architecture.</param>
    public async Task FillAsync(string key, string into, Func<Task> make, Action<Progress> report, CancellationToken ct)
    {
        Directory.CreateDirectory(_cache);
        using var turn = await TurnAsync(key, report, ct);
        if (await TryTakeAsync(key, into, report, ct))
        {
            return;
        }

        foreach (var file in Directory.GetFiles(into))
        {
            File.Delete(file);
        }

        await make();
        report(new("keep for next time", 90));
        await KeepAsync(key, into, ct);
    }

    private async Task<bool> TryTakeAsync(string key, string into, Action<Progress> report, CancellationToken ct)
    {
        var sums = new FileInfo($"{_cache}/{key}/sums.json");
        if (!sums.Exists || time.GetUtcNow() - sums.LastWriteTimeUtc > Fresh)
        {
            return false;
        }

        report(new("take from the cache", 10));
        try
        {
            var wanted = JsonSerializer.Deserialize(await File.ReadAllBytesAsync(sums.FullName, ct), CacheJson.Default.DictionaryStringString) ?? [];
            foreach (var (name, sum) in wanted)
            {
                if (await CopyAsync($"{_cache}/{key}/{Path.GetFileName(name)}", $"{into}/{Path.GetFileName(name)}", ct) != sum)
                {
                    return false;
                }
            }

            return wanted.Count > 0;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return false;
        }
    }

    private async Task KeepAsync(string key, string from, CancellationToken ct)
    {
        var folder = $"{_cache}/{key}";
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        Directory.CreateDirectory(folder);
        var sums = new Dictionary<string, string>();
        foreach (var file in Directory.GetFiles(from))
        {
            sums[Path.GetFileName(file)] = await CopyAsync(file, $"{folder}/{Path.GetFileName(file)}", ct);
        }

        // Last: with it, the rest is there.
        Host.AtomicFile.Write($"{folder}/sums.json", JsonSerializer.SerializeToUtf8Bytes(sums, CacheJson.Default.DictionaryStringString));
    }

    /// <summary>Two daemons of one machine do not make the same twice: the second waits. The lock goes with its process.</summary>
    private async Task<FileStream> TurnAsync(string key, Action<Progress> report, CancellationToken ct)
    {
        while (true)
        {
            try
            {
                return new FileStream($"{_cache}/{key}.lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException e) when (e.HResult == HeldByAnother)
            {
                report(new("wait for another build of the same", 0));
                await Task.Delay(Again, time, ct);
            }
        }
    }

    private static async Task<string> CopyAsync(string from, string to, CancellationToken ct)
    {
        using var sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using var source = File.OpenRead(from);
        await using var target = File.Create(to);
        var buffer = new byte[1 << 20];
        while (await source.ReadAsync(buffer, ct) is var read and > 0)
        {
            sum.AppendData(buffer, 0, read);
            await target.WriteAsync(buffer.AsMemory(0, read), ct);
        }

        return Convert.ToHexStringLower(sum.GetHashAndReset());
    }
}

[System.Text.Json.Serialization.JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class CacheJson : System.Text.Json.Serialization.JsonSerializerContext;
