using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>
/// A root file system of Debian packages in a folder, made by mmdebstrap. Its maintainer scripts run in a mount and a
/// process namespace of their own, so whatever they mount or leave running is gone with them.
/// </summary>
internal sealed class DebianRoot(IShell shell, string folder)
{
    private const UnixFileMode Readable = (UnixFileMode)0b110_100_100;

    private static readonly TimeSpan BootstrapDeadline = TimeSpan.FromMinutes(45);
    private static readonly TimeSpan CommandDeadline = TimeSpan.FromMinutes(5);
    private static readonly string[] Apart = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child=KILL", "--"];

    public string Folder => folder;

    /// <exception cref="Refusal"><c>image.packages_unavailable</c></exception>
    public async Task MakeAsync(DebianMirrors mirrors, IEnumerable<string> packages, Action<Progress> report, CancellationToken ct)
    {
        string[] arguments =
        [
            "--mode=root", "--variant=minbase", $"--include={string.Join(',', packages)}",
            "--aptopt=APT::Install-Recommends \"false\"", mirrors.Suite, folder, .. mirrors.Sources,
        ];
        try
        {
            await shell.RunAsync(new("unshare", [.. Apart, "mmdebstrap", .. arguments], BootstrapDeadline)
            {
                EndsWithDaemon = true,
                Heard = line => Hear(line, report),
            }, ct);
        }
        catch (CommandFailed e) when (e.ExitCode is 127 || e.Errors.Contains("No such file or directory", StringComparison.Ordinal) && !File.Exists("/usr/bin/mmdebstrap"))
        {
            throw ImageErrors.ToolMissing("mmdebstrap", "mmdebstrap");
        }
        catch (CommandFailed e)
        {
            throw ImageErrors.PackagesUnavailable("base-files", e.Message);
        }
    }

    /// <summary>Runs one of its own programs inside it.</summary>
    public Task<CommandResult> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken ct) =>
        shell.RunAsync(new("unshare", [.. Apart, "chroot", folder, program, .. arguments], CommandDeadline) { EndsWithDaemon = true }, ct);

    /// <summary>Writes a file of it, readable for all in it.</summary>
    public void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(In(path))!);
        File.Delete(In(path));
        File.WriteAllText(In(path), text);
        File.SetUnixFileMode(In(path), Readable);
    }

    public void Link(string path, string target)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(In(path))!);
        File.Delete(In(path));
        File.CreateSymbolicLink(In(path), target);
    }

    public string In(string path) => $"{folder}/{path}";

    /// <summary>Takes out what every machine makes for itself on its first boot, and what the node left in it.</summary>
    public void Anonymise(string hostname)
    {
        Write("etc/hostname", $"{hostname}\n");
        Write("etc/hosts", $"127.0.0.1 localhost\n127.0.1.1 {hostname}\n::1 localhost ip6-localhost ip6-loopback\n");
        Write("etc/machine-id", "");
        string[] theirs =
        [
            In("var/lib/dbus/machine-id"), In("var/lib/systemd/random-seed"), In("var/lib/systemd/credential.secret"),
            .. Glob("etc/ssh", "ssh_host_*"), .. Glob("var/log/apt", "*"), .. Glob("var/log", "*.log"), .. Glob("var/cache/apt", "*.bin"),
        ];
        foreach (var file in theirs)
        {
            File.Delete(file);
        }
    }

    private string[] Glob(string path, string pattern) => Directory.Exists(In(path)) ? Directory.GetFiles(In(path), pattern) : [];

    /// <summary>Of what mmdebstrap says, its own lines (<c>I: installing essential packages...</c>) tell the stage.</summary>
    private static void Hear(string line, Action<Progress> report)
    {
        if (line.StartsWith("I: ", StringComparison.Ordinal))
        {
            var stage = line[3..].TrimEnd('.');
            report(new(stage, stage switch
            {
                "running apt-get update" => 2,
                "downloading packages with apt" => 5,
                "extracting archives" => 15,
                "installing essential packages" => 25,
                "installing remaining packages inside the chroot" => 35,
                _ => null,
            }));
        }
    }
}
