using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Isolation;
using Microsoft.Extensions.Logging;

namespace Gantry.Node.Drivers.Qemu;

/// <param name="Before">A command around the launcher.</param>
/// <param name="Options">The launcher's own.</param>
internal sealed record LaunchIsolation(IReadOnlyList<string> Before, IReadOnlyList<string> Options);

/// <summary>How the launcher keeps one guest to itself on this host: what can be had is used, what is required and cannot is refused.</summary>
internal sealed partial class QemuIsolation(NodeContext node)
{
    private const int OpenFiles = 8192; // an eventfd for each queue of each device, and a few for each disk and console

    // What io_uring takes before Linux 5.12. Guest memory is not locked: huge pages come reserved.
    private const int LockedBytes = 64 << 10;

    private static readonly TimeSpan TrialDeadline = TimeSpan.FromSeconds(10);

    private readonly ILogger _logger = node.Logs.CreateLogger<QemuIsolation>();
    private readonly Lazy<Task<string?>> _namespaces = new(() => TryNamespacesAsync(node));
    private readonly Lazy<Task<string?>> _scopes = new(() => TryScopesAsync(node));

    /// <summary>Makes what has to be there before the launcher runs.</summary>
    /// <param name="run">The instance's run folder.</param>
    /// <exception cref="Refusal"><c>isolation.missing</c></exception>
    public async Task<LaunchIsolation> PrepareAsync(InstanceSpec spec, QemuStart start, Accelerator accelerator, HostFacts host, string run)
    {
        // What may be plugged in later has its room from the start.
        var memoryBytes = Math.Max(spec.MaxMemoryBytes ?? spec.MemoryBytes, start.MaxMemoryBytes ?? 0);
        var limits = InstanceLimits.Of(memoryBytes, spec.MaxCpus ?? spec.Cpus, accelerator.Name == "tcg", host.MemoryBytes) with
        {
            Cpus = spec.Cpu?.LimitPercent / 100.0,
            CpuWeight = spec.Cpu?.Weight,
        };
        var options = new List<string>
        {
            "--limit", Number($"nofile={OpenFiles}"), "--limit", Number($"nproc={limits.Tasks}"), "--limit", Number($"memlock={LockedBytes}"),
        };
        if (start.IsNetworked)
        {
            options.AddRange(["--network", "host"]);
        }

        if (accelerator.Name == "kvm")
        {
            options.AddRange(["--device", "/dev/kvm"]);
        }

        // Where they are required the launcher tries at once, and its failure is the refusal: no trial for each start.
        if (!Requires(Measure.Namespaces) && await _namespaces.Value is { } none)
        {
            LogWithout(_logger, spec.Id, "namespaces", none);
            options.AddRange(["--namespaces", "host"]);
        }

        if (AppArmor.WhyNot() is not { } unloaded)
        {
            options.AddRange(["--apparmor", AppArmor.Profile]);
        }
        else if (Requires(Measure.AppArmor))
        {
            throw DriverErrors.IsolationMissing(spec.Name, "AppArmor", unloaded);
        }

        var plan = node.Cgroups.Plan(limits, spec.Id.ToString());
        if (plan.Lacking is { } lacking)
        {
            LogWithout(_logger, spec.Id, "some of its limits", lacking);
        }

        if (await MakeAsync(plan, limits, run) is { } unlimited)
        {
            if (Requires(Measure.Limits))
            {
                throw DriverErrors.IsolationMissing(spec.Name, "limits", unlimited);
            }

            LogWithout(_logger, spec.Id, "limits", unlimited);
            plan = new([], [], null);
        }

        options.AddRange(plan.Folders.SelectMany(f => (string[])["--cgroup", f.Path]));
        options.AddRange(plan.Counters is { } counters ? ["--counters", counters] : []);
        return new(plan.Before, options);
    }

    private bool Requires(Measure measure) => node.Isolation.Required.Contains(measure);

    /// <returns>Why there are no limits, or not all of them; null when there are.</returns>
    private async Task<string?> MakeAsync(CgroupPlan plan, InstanceLimits limits, string run)
    {
        if (plan.Lacking is { } lacking && (Requires(Measure.Limits) || plan.Folders.Count == 0))
        {
            return lacking;
        }

        if (plan.Before.Count > 0 && await _scopes.Value is { } noScopes)
        {
            return noScopes;
        }

        try
        {
            node.Cgroups.Make(plan, limits, run);
            return null;
        }
        catch (IOException e)
        {
            return e.Message;
        }
    }

    /// <summary>Once in this daemon's life, and only where namespaces may be missing.</summary>
    private static async Task<string?> TryNamespacesAsync(NodeContext node)
    {
        using var loan = node.ToolUids.Borrow();
        await using var trial = new LaunchTrial(node, loan.Uid);
        return await trial.StartAsync([], [], ["/bin/true"], TrialDeadline, CancellationToken.None);
    }

    private static async Task<string?> TryScopesAsync(NodeContext node)
    {
        try
        {
            await node.Shell.RunAsync(new("/usr/bin/systemd-run", ["--scope", "--quiet", "--collect", $"--slice={CgroupPlan.Slice}", "--", "/bin/true"], TrialDeadline), CancellationToken.None);
            return null;
        }
        catch (CommandFailed e)
        {
            return $"systemd makes no scope: {e.Message}";
        }
    }

    private static string Number(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Instance {Id} starts without {What}: {Why}")]
    private static partial void LogWithout(ILogger logger, Id<Instance> id, string what, string why);
}
