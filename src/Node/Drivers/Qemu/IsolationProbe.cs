using System.Globalization;
using Gantry.Node.Host;
using Gantry.Node.Isolation;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// Tells which measures hold on this host by starting a QEMU without a machine, as every guest's is started, and looking at it from
/// outside; it is ended at once and leaves nothing.
/// </summary>
internal sealed class IsolationProbe(NodeContext node, QemuHost host)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(5);

    private static readonly string[] NoMachine =
        ["-nodefaults", "-no-user-config", "-display", "none", "-sandbox", QemuCommandLine.Sandbox, "-machine", "none", "-S"];

    public async Task<IReadOnlyList<IsolationFinding>> ExamineAsync(CancellationToken ct)
    {
        using var loan = node.ToolUids.Borrow();
        await using var trial = new LaunchTrial(node, loan.Uid);
        var qemu = host.NativePath;
        var limits = InstanceLimits.Of(0, 1, emulated: false, 0);
        var plan = node.Cgroups.Plan(limits, $"trial-{loan.Uid.ToString(CultureInfo.InvariantCulture)}");
        var unlimited = Make(plan, limits, trial.Run);
        var unloaded = AppArmor.WhyNot();
        string[] common =
        [
            .. unlimited is null ? plan.Folders.SelectMany(f => (string[])["--cgroup", f.Path]) : [],
            .. unloaded is null ? (string[])["--apparmor", AppArmor.Profile] : [],
        ];
        IReadOnlyList<string> command = qemu is null ? ["/usr/bin/sleep", "10"] : [qemu, .. NoMachine];

        var before = unlimited is null ? plan.Before : [];
        var noNamespaces = await trial.StartAsync(before, common, command, Deadline, ct);
        if (noNamespaces is not null && before.Count > 0)
        {
            (unlimited, before) = (noNamespaces, []);
            noNamespaces = await trial.StartAsync(before, common, command, Deadline, ct);
        }

        if (noNamespaces is not null && await trial.StartAsync(before, [.. common, "--namespaces", "host"], command, Deadline, ct) is { } nothing)
        {
            return [new("isolation", false, true, $"A trial start failed: {nothing}", "Guests will not start either until this is put right.")];
        }

        if (trial.Process is not { } process)
        {
            return [new("isolation", false, true, $"The program of a trial start ended at once: {trial.Log.Trim()}", "Guests will not start either until this is put right.")];
        }

        var status = await SettledAsync(process.Pid, qemu is not null, ct);
        return
        [
            User(status, loan.Uid),
            Of("capabilities", status.Where(s => s.Key.StartsWith("Cap", StringComparison.Ordinal)).All(s => s.Value.Trim('0').Length == 0), true,
                "QEMU has no capability.", "QEMU keeps a capability."),
            Of("no_new_privs", status["NoNewPrivs"] == "1", true, "No program that QEMU could start gains a privilege.", "QEMU could gain privileges."),
            Seccomp(status, qemu, trial.Log),
            Namespaces(process.Pid, noNamespaces),
            Limits(process.Pid, plan, unlimited),
            Profile(process.Pid, unloaded),
        ];
    }

    private string? Make(CgroupPlan plan, InstanceLimits limits, string run)
    {
        try
        {
            node.Cgroups.Make(plan, limits, run);
            return plan.Lacking;
        }
        catch (IOException e)
        {
            return e.Message;
        }
    }

    /// <summary>QEMU's status once it has put itself into its sandbox, or has had time to; of its every thread, should one lag behind.</summary>
    private async Task<Dictionary<string, string>> SettledAsync(int pid, bool sandboxed, CancellationToken ct)
    {
        for (var began = node.Time.GetTimestamp(); ; await Task.Delay(LookAgain, node.Time, ct))
        {
            var status = StatusOf($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/status");
            if (!sandboxed || status.Count == 0 || status["Seccomp"] == "2" || node.Time.GetElapsedTime(began) > Deadline)
            {
                return status.Count == 0 ? throw new IOException("The trial start ended while it was looked at.") : status;
            }
        }
    }

    private IsolationFinding User(Dictionary<string, string> status, int uid)
    {
        var own = string.Join('\t', Enumerable.Repeat(uid, 4));
        var used = node.Folders.All().Count;
        return status["Uid"] == own && status["Gid"] == own
            ? new("user ids", true, true, string.Create(CultureInfo.InvariantCulture, $"Each guest has a user of its own, from {node.Uids.First} on; {used} of {node.Uids.Guests} are given."))
            : new("user ids", false, true, $"QEMU ran as user {status["Uid"].Split('\t')[0]}.", "Start the daemon as root.");
    }

    private static IsolationFinding Seccomp(Dictionary<string, string> status, string? qemu, string log) =>
        qemu is null ? new("seccomp", false, true, "It cannot be tried without QEMU.", "`apt-get install qemu-system-x86`")
        : Of("seccomp", status["Seccomp"] == "2", true, "QEMU filters its system calls, all four groups denied.", $"QEMU filters no system calls. {log.Trim()}".Trim(), "Use a QEMU that is built with seccomp, as Debian's is.");

    private IsolationFinding Namespaces(int pid, string? why)
    {
        string[] kinds = ["mnt", "pid", "net", "ipc", "uts", "cgroup"];
        var shared = kinds.Where(k => Namespace("self", k) == Namespace(pid.ToString(CultureInfo.InvariantCulture), k)).ToList();
        var needed = node.Isolation.Required.Contains(Measure.Namespaces);
        return why is not null
            ? new("namespaces", false, needed, $"QEMU sees this host: {why}.", needed ? "Guests are not started. Give the daemon CAP_SYS_ADMIN, or set `isolation.required` to none." : "Guests start all the same, as `isolation.required` says. Give the daemon CAP_SYS_ADMIN.")
            : shared.Count > 0 ? new("namespaces", shared is ["cgroup"], needed, $"QEMU shares with this host: {string.Join(", ", shared)}.", "A newer kernel has all six.")
            : new("namespaces", true, needed, "QEMU has files, processes and a network of its own, and sees no others.");
    }

    private IsolationFinding Limits(int pid, CgroupPlan plan, string? why)
    {
        var needed = node.Isolation.Required.Contains(Measure.Limits);
        var groups = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cgroup"));
        var joined = plan.Before.Count > 0 ? groups.Contains($"/{CgroupPlan.Slice}/", StringComparison.Ordinal) : groups.Contains($"/gantry/{node.Cgroups.Root}/", StringComparison.Ordinal);
        var kind = plan.Before.Count > 0 ? "in a scope of systemd's"
            : plan.Folders.Any(f => node.Cgroups.Host.Unified is { } unified && f.Path.StartsWith($"{unified}/", StringComparison.Ordinal)) ? "by control groups, version 2"
            : "by control groups, version 1";
        return why is null && joined
            ? new("limits", true, needed, $"Memory and processes of each guest are limited {kind}.")
            : new("limits", false, needed, $"Guests are not limited: {why ?? "the control group was not joined"}.", needed ? "Guests are not started, as `isolation.required` says." : "Guests start all the same. Mount the control groups writable, with memory and pids.");
    }

    private IsolationFinding Profile(int pid, string? why)
    {
        var needed = node.Isolation.Required.Contains(Measure.AppArmor);
        var now = why is null ? File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/attr/current")).Trim() : null;
        return now?.StartsWith(AppArmor.Profile, StringComparison.Ordinal) == true
            ? new("AppArmor", true, needed, $"QEMU runs under the profile {now}.")
            : new("AppArmor", false, needed, $"QEMU runs without a profile: {why ?? $"it is {now}"}.", "Where the kernel has AppArmor, `deploy/install.sh` loads the profile gantry-qemu; elsewhere the other measures hold without it.");
    }

    private static IsolationFinding Of(string measure, bool holds, bool required, string finding, string otherwise, string? hint = null) =>
        holds ? new(measure, true, required, finding) : new(measure, false, required, otherwise, hint ?? "Do not run guests of strangers here, and report this.");

    private static string? Namespace(string process, string kind)
    {
        var link = $"/proc/{process}/ns/{kind}";
        return File.Exists(link) ? new FileInfo(link).LinkTarget : null;
    }

    private static Dictionary<string, string> StatusOf(string path)
    {
        try
        {
            return File.ReadLines(path).Select(l => l.Split(':', 2)).Where(l => l.Length == 2).ToDictionary(l => l[0], l => l[1].Trim());
        }
        catch (IOException)
        {
            return [];
        }
    }
}
