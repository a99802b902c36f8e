using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Nodes;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Postgres;
using Gantry.Node;

namespace Gantry.Daemon.Systems;

/// <summary>What this host can run, and how to get the rest.</summary>
internal sealed class Doctor(LocalNode node, DatabaseSupervisor database, FrontDoors doors)
{
    private const long LittleSpace = 2L << 30;

    public async Task<DoctorReport> ExamineAsync(CancellationToken ct)
    {
        var checks = new List<Check>
        {
            database.Trouble is { } trouble
                ? new("database", CheckLevel.Failed, trouble, "The daemon's log says more; it keeps trying by itself.")
                : new("database", CheckLevel.Ok, "PostgreSQL answers.", null),
            Privileges(),
            Space(),
            Program("setpriv", "/usr/bin/setpriv", "util-linux", "commands as another user"),
            Program("apt-get", "/usr/bin/apt-get", "apt", "building images"),
            Program("ip", "/usr/bin/ip", "iproute2", "networks", CheckLevel.Warning),
            Program("nft", "/usr/sbin/nft", "nftables", "networks", CheckLevel.Warning),
            Program("dnsmasq", "/usr/sbin/dnsmasq", "dnsmasq-base", "addresses and names on networks", CheckLevel.Warning),
            Program("qemu-img", "/usr/bin/qemu-img", "qemu-utils", "every image with a disk"),
            Program("mmdebstrap", "/usr/bin/mmdebstrap", "mmdebstrap fdisk dosfstools mtools", "building the images debian and rootfs", CheckLevel.Warning),
            doors.HttpsTrouble is { } taken ? new("https", CheckLevel.Failed, taken, "End that process, or set another port with `https.listen`, and restart the daemon.")
            : doors.HttpsUrl is { } url
                ? new("https", CheckLevel.Ok, $"{url}, certificate SHA-256 {doors.CertificateSha256}.", null)
                : new("https", CheckLevel.Warning, "HTTPS is switched off.", "Set `https.listen` in the configuration."),
        };
        foreach (var driver in (await NodeApi.ListDriversAsync(node, ct)).Items.Where(d => d.Name != "sim"))
        {
            checks.Add(driver switch
            {
                { Health: DriverHealth.Unusable } => new($"driver {driver.Name}", CheckLevel.Failed, driver.Reason ?? "It cannot be used.", "Until then no instance of this driver is started."),
                { Accelerator: "tcg" } => new($"driver {driver.Name}", CheckLevel.Warning, $"{driver.Version}; {driver.Reason}", "Switch on VT-x or AMD-V in the firmware, or nested virtualisation where this host is itself a guest."),
                _ => new($"driver {driver.Name}", CheckLevel.Ok, $"{driver.Version}, {driver.Accelerator}.", null),
            });
        }

        checks.AddRange(await IsolationAsync(ct));
        return new(checks);
    }

    private async Task<IEnumerable<Check>> IsolationAsync(CancellationToken ct)
    {
        try
        {
            return (await node.ExamineIsolationAsync(ct)).Select(f => new Check(
                $"isolation: {f.Measure}", f.Holds ? CheckLevel.Ok : f.Required ? CheckLevel.Failed : CheckLevel.Warning, f.Finding, f.Hint));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or Refusal)
        {
            return [new("isolation", CheckLevel.Warning, $"It could not be tried: {e.Message}", "Ask again.")];
        }
    }

    private static Check Privileges() => Environment.IsPrivilegedProcess
        ? new("privileges", CheckLevel.Ok, "The daemon runs as root; guests run as users of their own.", null)
        : new("privileges", CheckLevel.Failed, "The daemon does not run as root.", "Start it as root: it gives each guest a user of its own.");

    private Check Space()
    {
        var drive = new DriveInfo(node.Context.Root.Data);
        var free = drive.AvailableFreeSpace;
        var finding = string.Create(CultureInfo.InvariantCulture, $"{free / (double)(1 << 30):0.0} GiB free under {node.Context.Root.Data}.");
        return free >= LittleSpace ? new("space", CheckLevel.Ok, finding, null) : new("space", CheckLevel.Warning, finding, "Make room, or move the data directory.");
    }

    /// <param name="missing">A warning where everything else works without it.</param>
    private static Check Program(string name, string path, string package, string use, CheckLevel missing = CheckLevel.Failed) => File.Exists(path)
        ? new(name, CheckLevel.Ok, $"{path} is there.", null)
        : new(name, missing, $"{path} is missing; it is needed for {use}.", $"`apt-get install {package}`");
}
