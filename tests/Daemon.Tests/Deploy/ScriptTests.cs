using Gantry.Daemon.Tests.Support;
using Gantry.Node.Host;

namespace Gantry.Daemon.Tests.Deploy;

/// <summary>install.sh and uninstall.sh under DESTDIR, as a package is made with them; on a machine of their own, see InstallationTests.</summary>
public sealed class ScriptTests : IDisposable
{
    private readonly TestRoot _root = new();
    private readonly Shell _shell = new(TimeProvider.System);

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task An_installation_is_one_link_away_from_the_next_and_leaves_nothing_when_it_is_removed()
    {
        await GivenBuildAsync("one");
        await RunAsync("install.sh");

        Files().ShouldBe(
        [
            "usr/bin/gantry", "usr/lib/gantry/daemon-one/gantryd", "usr/lib/systemd/system/gantryd.service",
            "usr/lib/sysusers.d/gantry.conf", "usr/lib/tmpfiles.d/gantry.conf", "etc/apparmor.d/gantry-qemu",
        ], ignoreOrder: true);
        new DirectoryInfo(Installed("usr/lib/gantry/daemon")).LinkTarget.ShouldBe("daemon-one");
        File.ReadAllText(Installed("usr/lib/gantry/daemon/gantryd")).ShouldContain("one");
        File.GetUnixFileMode(Installed("usr/bin/gantry")).ShouldBe((UnixFileMode)0b111_101_101);

        await GivenBuildAsync("two");
        await RunAsync("install.sh");
        await RunAsync("install.sh"); // again, over itself

        File.ReadAllText(Installed("usr/lib/gantry/daemon/gantryd")).ShouldContain("two");
        Directory.GetFileSystemEntries(Installed("usr/lib/gantry")).Length.ShouldBe(2, "the link and what it leads to");

        Directory.CreateDirectory(Installed("var/lib/gantry/images"));
        (await RunAsync("uninstall.sh")).ShouldContain("Kept:");
        Files().ShouldBeEmpty();
        Directory.Exists(Installed("var/lib/gantry/images")).ShouldBeTrue();
        await RunAsync("uninstall.sh", "--purge");
        Directory.Exists(Installed("var/lib/gantry")).ShouldBeFalse();
    }

    [Fact]
    public async Task Without_a_build_and_with_an_unknown_option_they_say_what_to_do()
    {
        Directory.CreateDirectory($"{_root.Path}/source");
        await CopyScriptsAsync();

        (await Should.ThrowAsync<CommandFailed>(() => RunAsync("install.sh"))).Errors.ShouldContain("sudo ./dev build");
        var refusal = await Should.ThrowAsync<CommandFailed>(() => RunAsync("uninstall.sh", "--force"));

        (refusal.ExitCode, refusal.Errors.Contains("--purge", StringComparison.Ordinal)).ShouldBe((2, true));
        Directory.Exists(Installed("")).ShouldBeFalse();
    }

    private string Installed(string path) => $"{_root.Path}/installed/{path}";

    private IEnumerable<string> Files() => Directory.EnumerateFiles(Installed(""), "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None })
        .Where(f => !f.Contains("/usr/lib/gantry/daemon/", StringComparison.Ordinal)).Select(f => f[Installed("").Length..]);

    /// <summary>Two programs that say which build they are.</summary>
    private async Task GivenBuildAsync(string name)
    {
        foreach (var program in (string[])["daemon/gantryd", "cli/gantry"])
        {
            var path = $"{_root.Path}/source/artifacts/dev/{name}/{program}";
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, $"#!/bin/sh\necho {name}\n");
            File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        }

        await File.WriteAllTextAsync($"{_root.Path}/source/artifacts/dev/current", $"{name}\n");
        await CopyScriptsAsync();
    }

    private Task CopyScriptsAsync() =>
        _shell.RunAsync(new("cp", ["-rT", Path.Combine(AppContext.BaseDirectory, "deploy"), $"{_root.Path}/source/deploy"], TimeSpan.FromMinutes(1)), default);

    private async Task<string> RunAsync(string script, params string[] arguments) => (await _shell.RunAsync(
        new("sh", [$"{_root.Path}/source/deploy/{script}", .. arguments], TimeSpan.FromMinutes(2)) { Environment = new Dictionary<string, string> { ["DESTDIR"] = Installed("") } }, default)).Output;
}
