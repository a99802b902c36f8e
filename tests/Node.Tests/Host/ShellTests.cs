using Gantry.Node.Host;

namespace Gantry.Node.Tests.Host;

public sealed class ShellTests
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);

    private readonly Shell _shell = new(TimeProvider.System);

    [Fact]
    public async Task A_deadline_ends_the_command_and_its_children()
    {
        await using var root = new TestRoot();
        var failed = await Should.ThrowAsync<CommandFailed>(() => _shell.RunAsync(
            new("sh", ["-c", $"sleep 1000 & echo $! > {root.Path}/child; wait"], TimeSpan.FromSeconds(2)), default));

        failed.Message.ShouldContain("took longer than 2 s");
        var child = int.Parse(await File.ReadAllTextAsync($"{root.Path}/child"), System.Globalization.CultureInfo.InvariantCulture);
        if (HostProcess.StartOf(child) is { } start && HostProcess.Find(child, start) is { } process)
        {
            await process.Ended.WaitAsync(Long);
        }
    }

    [Fact]
    public async Task SIGPIPE_has_its_usual_meaning() =>
        (await _shell.RunAsync(new("grep", ["SigIgn", "/proc/self/status"], Long), default)).Output.Trim().ShouldBe("SigIgn:\t0000000000000000");

    [Fact]
    public async Task Output_without_end_is_cut_not_kept() =>
        (await _shell.RunAsync(new("head", ["-c", "20000000", "/dev/zero"], Long), default)).Output.Length.ShouldBe(4 << 20);

    [Fact]
    public async Task Arguments_are_passed_as_they_are() =>
        (await _shell.RunAsync(new("printf", ["%s|", "a b", "$HOME", "'"], Long), default)).Output.ShouldBe("a b|$HOME|'|");

    [Fact]
    public async Task A_failure_holds_its_code_and_last_words()
    {
        var failed = await Should.ThrowAsync<CommandFailed>(() => _shell.RunAsync(new("sh", ["-c", "echo no disk >&2; exit 3"], Long), default));

        failed.ExitCode.ShouldBe(3);
        failed.Message.ShouldContain("no disk");
        await Should.ThrowAsync<CommandFailed>(() => _shell.RunAsync(new("/nowhere/tool", [], Long), default));
    }
}
