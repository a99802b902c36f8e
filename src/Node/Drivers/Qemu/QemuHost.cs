using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>What this host has for running QEMU.</summary>
internal sealed class QemuHost(NodeContext node, string program)
{
    public const string Program = "qemu-system-x86_64";

    private const double TicksPerSecond = 100; // USER_HZ, the same on every Linux that .NET runs on
    private static readonly TimeSpan VersionDeadline = TimeSpan.FromSeconds(30);

    private static readonly string[] Folders = ["/usr/local/bin", "/usr/bin"];

    private readonly HostFacts _facts = HostFacts.Read();
    private (string Path, DateTime Written, string Version)? _asked;

    /// <summary>Beside the assemblies, where the build puts it.</summary>
    public static string Launcher => Path.Combine(AppContext.BaseDirectory, "gantry-launch");

    public Accelerator Accelerator => field ??= Accelerator.Choose(_facts);

    public QemuStart Compose(InstanceSpec spec) =>
        new(Find() ?? $"/usr/bin/{program}", QemuCommandLine.Compose(spec, _facts, Accelerator), Accelerator.Name) { MaxMemoryBytes = spec.MaxMemoryBytes };

    public async Task<Fingerprint> ProbeAsync(CancellationToken ct)
    {
        if (WhyNot() is { } missing)
        {
            return new(DriverHealth.Unusable, Reason: missing);
        }

        try
        {
            return new(DriverHealth.Usable, await VersionAsync(Find()!, ct), Accelerator.Name, Accelerator.Reason);
        }
        catch (CommandFailed e)
        {
            return new(DriverHealth.Unusable, Reason: $"{program} does not run: {e.Message}");
        }
    }

    /// <exception cref="Refusal"><c>driver.unusable</c></exception>
    public async Task DemandUsableAsync(string driver, CancellationToken ct)
    {
        if (await ProbeAsync(ct) is { Health: DriverHealth.Unusable } probe)
        {
            throw DriverErrors.Unusable(driver, probe.Reason ?? "unknown");
        }
    }

    public static double? SecondsSinceStart(int pid) =>
        HostProcess.StartOf(pid) is { } ticks
            ? double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture) - (ticks / TicksPerSecond)
            : null;

    private string? WhyNot() =>
        _facts.Architecture != "x86_64" ? $"this host is {_facts.Architecture}; so far QEMU is run on x86_64 only."
        : Find() is null ? $"{program} is not installed: `apt-get install qemu-system-x86`."
        : !File.Exists(Launcher) ? $"the launcher {Launcher} is missing: install Gantry anew."
        : Environment.UserName != "root" ? "only root can give each guest a user of its own: run the daemon as root."
        : null;

    private string? Find() => Path.IsPathRooted(program)
        ? File.Exists(program) ? program : null
        : Folders.Select(d => $"{d}/{program}").FirstOrDefault(File.Exists);

    /// <summary>Asked once for each file: an upgrade of the package is seen, a second question costs nothing.</summary>
    private async Task<string> VersionAsync(string path, CancellationToken ct)
    {
        var written = File.GetLastWriteTimeUtc(path);
        if (_asked is not { } known || known.Path != path || known.Written != written)
        {
            var answer = await node.Shell.RunAsync(new(path, ["--version"], VersionDeadline), ct);
            var words = answer.Output.Split('\n')[0].Split(' ');
            _asked = known = (path, written, words is ["QEMU", "emulator", "version", var version, ..] ? version : answer.Output.Split('\n')[0]);
        }

        return known.Version;
    }
}
