using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

/// <summary>A directory that is a pool: marked as such, so that one which is not mounted is told from one that is empty.</summary>
/// <param name="id">What the mark says.</param>
/// <param name="mount">What makes the directory be there, and again whenever it is not; null where that is somebody else's.</param>
internal sealed class PoolFolder(string path, string id, TimeProvider time, NetworkMount? mount = null)
{
    /// <summary>Others may pass through, not look: a confined tool is let to single files.</summary>
    public const UnixFileMode PassThrough = (UnixFileMode)0b111_001_001;

    /// <summary>A dead file server answers never; this is how long is waited.</summary>
    public static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(5);

    private volatile Task? _left;

    public string Path { get; } = path;

    private static string Hangs => $"its file system does not answer within {AnswersWithin.TotalSeconds:0} s";

    /// <summary>For people.</summary>
    public string Place => mount?.Source ?? Path;

    /// <summary>What is there now is the pool, and not the bare place it is mounted at.</summary>
    public bool IsMarked => File.Exists(Mark);

    private string Mark => $"{Path}/gantry-pool";

    /// <exception cref="Refusal"><c>pool.not_usable</c></exception>
    public async Task OpenAsync(CancellationToken ct)
    {
        await (mount?.MountAsync(() => Task.FromResult(false), ct) ?? Task.CompletedTask);
        try
        {
            await WithinAsync(() => { Make(); return true; }, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or TimeoutException)
        {
            await LeaveAsync();
            throw PoolErrors.NotUsable(Place, e is TimeoutException ? Hangs : e.Message);
        }
        catch (Refusal)
        {
            await LeaveAsync();
            throw;
        }
    }

    /// <summary>Ends what it mounted.</summary>
    public Task LeaveAsync() => mount?.UnmountAsync(CancellationToken.None) ?? Task.CompletedTask;

    public void Make()
    {
        for (var parent = System.IO.Path.GetDirectoryName(Path); parent is not null; parent = System.IO.Path.GetDirectoryName(parent))
        {
            if (Directory.Exists(parent) && !File.GetUnixFileMode(parent).HasFlag(UnixFileMode.OtherExecute))
            {
                throw PoolErrors.NotUsable(Path, $"{parent} lets nobody but its owner pass, and tools run as users of no rights (`chmod o+x` lets them)");
            }
        }

        if (!File.Exists(Mark))
        {
            if (File.Exists(Path) || (Directory.Exists(Path) && Directory.EnumerateFileSystemEntries(Path).Any(e => System.IO.Path.GetFileName(e) != "lost+found")))
            {
                throw PoolErrors.NotUsable(Place, "it is there, and not empty");
            }

            Directory.CreateDirectory(Path);
            File.SetUnixFileMode(Path, PassThrough);
            AtomicFile.Write(Mark, System.Text.Encoding.UTF8.GetBytes($"{id}\n"));
        }

        if (WhyNotMine() is { } why)
        {
            throw PoolErrors.NotUsable(Place, why);
        }
    }

    /// <summary>Removes what a pool without disks has left in it: folders of its own, and the mark at last.</summary>
    public void GiveUp(IEnumerable<string> folders)
    {
        foreach (var folder in folders.Select(f => $"{Path}/{f}").Where(Directory.Exists))
        {
            Directory.Delete(folder, recursive: true);
        }

        File.Delete(Mark);
    }

    /// <exception cref="Refusal"><c>pool.gone</c></exception>
    public async Task DemandAsync(CancellationToken ct)
    {
        if (await WhyGoneAsync(ct) is { } why)
        {
            throw PoolErrors.Gone(Place, why);
        }
    }

    public async Task<PoolStatus> LookAsync(CancellationToken ct)
    {
        try
        {
            return await WhyGoneAsync(ct) is { } why ? new(false, $"{Place}: {why}.") : await WithinAsync(
                () =>
                {
                    var drive = new DriveInfo(Path);
                    return new PoolStatus(true, null, drive.TotalSize, drive.AvailableFreeSpace);
                },
                ct);
        }
        catch (TimeoutException)
        {
            return new(false, $"{Place}: {Hangs}.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new(false, $"{Place} cannot be looked at: {e.Message}");
        }
    }

    /// <summary>Makes a folder that tools may pass through; it is there after a power cut too.</summary>
    public static void MakeFolder(string folder)
    {
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder);
            File.SetUnixFileMode(folder, PassThrough);
            Posix.SyncDirectory(System.IO.Path.GetDirectoryName(folder)!);
        }
    }

    /// <summary>Those of the folders in it that an owner can have.</summary>
    public IReadOnlyList<string> Folders() =>
        [.. Directory.EnumerateDirectories(Path).Select(d => System.IO.Path.GetFileName(d)).Where(Limits.IsName).Order(StringComparer.Ordinal)];

    /// <summary>What is gone is mounted once more before that is said.</summary>
    private async Task<string?> WhyGoneAsync(CancellationToken ct)
    {
        try
        {
            var (why, isBroken) = await WithinAsync(Look, ct);
            if (why is null || mount is null)
            {
                return why;
            }

            await mount.MountAsync(async () => isBroken && (await WithinAsync(Look, ct)).IsBroken, ct);
            why = (await WithinAsync(Look, ct)).Why;
            await (why is null ? Task.CompletedTask : LeaveAsync());
            return why;
        }
        catch (TimeoutException)
        {
            return Hangs;
        }
        catch (Exception e) when (e is Refusal or CommandFailed)
        {
            return e.Message.TrimEnd('.');
        }
    }

    private string? WhyNotMine() => Look().Why;

    /// <summary>Why it is not this pool, and whether that is because nothing can be read there.</summary>
    private (string? Why, bool IsBroken) Look()
    {
        try
        {
            return File.ReadAllText(Mark).Trim() is var said && said == id ? (null, false) : ($"it is marked as the pool '{(Limits.IsName(said) ? said : "of another name")}'", false);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return ("its mark is not there, so something is not mounted", false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (e.Message, true);
        }
    }

    /// <summary>On a thread of its own, which is left behind when the file system never answers it.</summary>
    private async Task<T> WithinAsync<T>(Func<T> work, CancellationToken ct)
    {
        // One that hangs is enough to know that it does.
        if (_left is { IsCompleted: false })
        {
            throw new TimeoutException();
        }

        var answer = Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            return await answer.WaitAsync(AnswersWithin, time, ct);
        }
        catch (TimeoutException)
        {
            _left = answer;
            throw;
        }
    }
}
