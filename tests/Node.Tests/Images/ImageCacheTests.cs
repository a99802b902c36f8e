using Gantry.Contracts;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Images;

public sealed class ImageCacheTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gantry-tests-cache-").FullName;
    private int _made;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_was_made_once_is_taken_from_the_cache()
    {
        (await FillAsync("one")).ShouldBe("made 1");
        (await FillAsync("two")).ShouldBe("made 1");
        _made.ShouldBe(1);
    }

    [Fact]
    public async Task What_was_damaged_is_made_anew()
    {
        await FillAsync("one");
        await File.WriteAllTextAsync($"{_folder}/images/key/disk", "tampered with");

        (await FillAsync("two")).ShouldBe("made 2");
        (await FillAsync("three")).ShouldBe("made 2");
    }

    [Fact]
    public async Task What_is_older_than_a_week_is_made_anew()
    {
        await FillAsync("one");
        File.SetLastWriteTimeUtc($"{_folder}/images/key/sums.json", TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(-8));

        (await FillAsync("two")).ShouldBe("made 2");
    }

    [Fact]
    public async Task What_failed_is_not_kept()
    {
        await Should.ThrowAsync<InvalidOperationException>(() => FillAsync("one", () => throw new InvalidOperationException()));

        (await FillAsync("two")).ShouldBe("made 1");
    }

    [Fact]
    public async Task Two_at_once_make_it_once()
    {
        var waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = FillAsync("one", () => waits.Task);

        var second = FillAsync("two", report: p =>
        {
            if (p.Stage.StartsWith("wait", StringComparison.Ordinal))
            {
                waits.TrySetResult();
            }
        });

        (await first, await second).ShouldBe(("made 1", "made 1"));
        _made.ShouldBe(1);
    }

    [Fact]
    public async Task A_cache_that_cannot_be_written_is_no_lock_to_wait_for()
    {
        Directory.CreateDirectory($"{_folder}/images/key.lock");

        await Should.ThrowAsync<UnauthorizedAccessException>(() => FillAsync("one"));
    }

    [Fact]
    public void A_full_disk_is_told_from_other_trouble()
    {
        using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

        Should.Throw<IOException>(() => full.Write(new byte[1])).HResult.ShouldBe(ImageErrors.FullDisk);
    }

    [Fact]
    public void Of_the_sources_of_apt_only_Debians_own_are_used()
    {
        var mirrors = DebianMirrors.Of("bookworm", """
            Debian|http://mirror/debian|bookworm|bookworm|main
            Debian|http://mirror/debian|bookworm|bookworm|contrib
            Debian|http://mirror/debian|bookworm-updates|bookworm-updates|main
            Debian|http://mirror/security|stable-security|bookworm-security|main
            Debian Backports|http://mirror/debian|bookworm-backports|bookworm-backports|main
            Debian|http://mirror/debian|sid|sid|main
            . nodistro|https://elsewhere|nodistro|nodistro|main
            """);

        mirrors.Sources.ShouldBe(["deb http://mirror/debian bookworm main contrib", "deb http://mirror/debian bookworm-updates main", "deb http://mirror/security stable-security main"]);
    }

    private async Task<string> FillAsync(string into, Func<Task>? before = null, Action<Progress>? report = null)
    {
        Directory.CreateDirectory($"{_folder}/{into}");
        await new ImageCache(TimeProvider.System, _folder).FillAsync("key", $"{_folder}/{into}", async () =>
        {
            await (before?.Invoke() ?? Task.CompletedTask);
            await File.WriteAllTextAsync($"{_folder}/{into}/disk", $"made {++_made}");
        }, report ?? (_ => { }), default);
        return await File.ReadAllTextAsync($"{_folder}/{into}/disk");
    }
}
