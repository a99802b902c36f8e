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
        await LaunchAsync([], "/bin/sh", "-c", "ls /proc/$$/fd; umask; pwd; grep -E '^Sig(Blk|Ign)' /proc/self/status; readlink /proc/$$/fd/0; exit 7");

        var log = (await EndedAsync()).Split('\n');
        log.Take(5).ShouldBe(["0", "1", "2", "3", "4"]);
        log.Skip(5).ShouldBe(["0077", "/", "SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "/dev/null", ""]);
        File.ReadAllText($"{_root.Path}/exit").ShouldBe("exit 7\n");
    }

    [Fact]
    public async Task A_file_that_only_root_may_open_is_handed_over_under_its_number()
    {
        var secret = $"{_root.Path}/secret";
        File.WriteAllText(secret, "only through the descriptor\n");
        File.SetUnixFileMode(secret, UnixFileMode.UserRead);

        await LaunchAsync(["--open", $"7:r:{secret}", "--open", $"9:rw:{secret}"], "/bin/sh", "-c", $"ls /proc/$$/fd; cat <&7; cat {secret} || echo but not by its name");

        (await EndedAsync()).ShouldBe($"0\n1\n2\n3\n4\n7\n9\nonly through the descriptor\ncat: {secret}: No such file or directory\nbut not by its name\n");
    }

    [Theory]
    [InlineData("5:r:/nowhere/disk", "/nowhere/disk: No such file or directory")]
    [InlineData("5:r:/etc", "/etc is neither a file nor a block device")]
    [InlineData("3:r:/etc/passwd", "descriptor 3 cannot be handed over")]
    [InlineData("5:x:/etc/passwd", "is not NUMBER:r:PATH or NUMBER:rw:PATH")]
    public async Task What_cannot_be_handed_over_is_told_at_once(string what, string why) =>
        (await Should.ThrowAsync<CommandFailed>(() => LaunchAsync(["--open", what], "/bin/true"))).Errors.ShouldContain(why);

    [Fact]
    public async Task Where_no_namespaces_can_be_made_the_same_holds_but_for_them()
    {
        var secret = $"{_root.Path}/secret";
        File.WriteAllText(secret, "only through the descriptor\n");
        File.SetUnixFileMode(secret, UnixFileMode.UserRead);

        await LaunchAsync(["--namespaces", "host", "--open", $"7:r:{secret}"], "/bin/sh", "-c", $"ls /proc/$$/fd; cat <&7; cat {secret}; ls -d {_root.Path}; exit 3");

        (await EndedAsync()).ShouldBe($"0\n1\n2\n3\n4\n7\nonly through the descriptor\ncat: {secret}: Permission denied\n{_root.Path}\n");
    }

    [Fact]
    public async Task Words_without_end_fill_no_disk()
    {
        await LaunchAsync([], "/bin/sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo the end");

        var log = await EndedAsync();
        log.Length.ShouldBeInRange(128 << 10, 256 << 10);
        log.ShouldEndWith("the end\n");
    }

    [Fact]
    public async Task What_cannot_be_executed_is_told_at_once() =>
        (await Should.ThrowAsync<CommandFailed>(() => LaunchAsync([], "/nowhere/qemu"))).Errors.ShouldBe("/nowhere/qemu: No such file or directory\n");

    [Fact]
    public async Task A_socket_path_longer_than_Linux_allows_is_told()
    {
        var deep = $"{_root.Path}/{new string('x', 100)}";
        Directory.CreateDirectory(deep);

        (await Should.ThrowAsync<CommandFailed>(() => LaunchAsync([], ["/bin/true"], deep))).Errors.ShouldContain("Linux allows 107");
    }

    private Task LaunchAsync(string[] options, params string[] command) => LaunchAsync(options, command, _root.Path);

    private Task LaunchAsync(string[] options, string[] command, string run) => _root.Context.Shell.RunAsync(
        new LaunchCommand(_root.Context.Launcher, _root.Context.Uids.First, run, $"{_root.Path}/serial.log", $"{_root.Path}/qemu.log", command) { Options = options }
            .Within(TimeSpan.FromSeconds(30)), default);

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
