using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Drivers.Qemu;

public sealed class LauncherTests : IAsyncDisposable
{
    private readonly TestRoot _root = new();

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    [Fact]
    public async Task What_it_starts_gets_exactly_five_descriptors_and_a_clean_slate()
    {
        await LaunchAsync(_root.Path, "/bin/sh", "-c", "ls /proc/$$/fd; umask; pwd; grep -E '^Sig(Blk|Ign)' /proc/self/status; readlink /proc/$$/fd/0; exit 7");

        var log = (await EndedAsync()).Split('\n');
        log.Take(5).ShouldBe(["0", "1", "2", "3", "4"]);
        log.Skip(5).ShouldBe(["0077", "/", "SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "/dev/null", ""]);
        File.ReadAllText($"{_root.Path}/exit").ShouldBe("exit 7\n");
    }

    [Fact]
    public async Task Words_without_end_fill_no_disk()
    {
        await LaunchAsync(_root.Path, "/bin/sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo the end");

        var log = await EndedAsync();
        log.Length.ShouldBeInRange(128 << 10, 256 << 10);
        log.ShouldEndWith("the end\n");
    }

    [Fact]
    public async Task What_cannot_be_executed_is_told_at_once() =>
        (await Should.ThrowAsync<CommandFailed>(() => LaunchAsync(_root.Path, "/nowhere/qemu"))).Errors.ShouldBe("/nowhere/qemu: No such file or directory\n");

    [Fact]
    public async Task A_socket_path_longer_than_Linux_allows_is_told()
    {
        var deep = $"{_root.Path}/{new string('x', 100)}";
        Directory.CreateDirectory(deep);

        (await Should.ThrowAsync<CommandFailed>(() => LaunchAsync(deep, "/bin/true"))).Errors.ShouldContain("Linux allows 107");
    }

    private Task LaunchAsync(string run, params string[] command) => _root.Context.Shell.RunAsync(
        new(QemuHost.Launcher, ["--uid", $"{_root.Context.Uids.First}", "--run", run, "--serial", $"{_root.Path}/serial.log", "--log", $"{_root.Path}/qemu.log", "--", .. command], TimeSpan.FromSeconds(30)), default);

    /// <summary>The log, once the supervisor has written how it ended.</summary>
    private async Task<string> EndedAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (!File.ReadAllText($"{_root.Path}/exit").EndsWith('\n'))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
        }

        return await File.ReadAllTextAsync($"{_root.Path}/qemu.log");
    }
}
