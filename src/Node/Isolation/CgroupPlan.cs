using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Node.Isolation;

/// <summary>One group and what is written into its files, in this order.</summary>
internal sealed record CgroupFolder(string Path, IReadOnlyList<CgroupValue> Values);

/// <param name="Optional">Not every kernel has that file.</param>
internal sealed record CgroupValue(string File, string Text, bool Optional = false);

/// <summary>How one instance gets its limits on this host.</summary>
/// <param name="Before">A command around the launcher: systemd makes the group then.</param>
/// <param name="Folders">The groups to make, where the daemon makes them.</param>
/// <param name="Counters">The file that tells of processes killed for want of memory; null when there will be none.</param>
/// <param name="Lacking">What the host cannot limit; null when it can do all that is asked.</param>
internal sealed record CgroupPlan(IReadOnlyList<string> Before, IReadOnlyList<CgroupFolder> Folders, string? Counters, string? Lacking = null)
{
    public const string Slice = "gantry.slice";

    private const int PeriodMicroseconds = 100_000;

    /// <param name="root">A short word that no other root of this host has.</param>
    public static CgroupPlan For(CgroupHost host, InstanceLimits limits, string root, string name) =>
        host.Systemd ? ScopeOf(host, limits, $"gantry-{root}-{name}.scope") : FoldersOf(host, limits, $"gantry/{root}/{name}");

    /// <summary>The controllers that are wanted: those that limit, and those that only count.</summary>
    private static IEnumerable<(string Controller, bool Limits)> Wanted(InstanceLimits limits) =>
    [
        ("memory", true), ("pids", true), ("cpu", limits.Cpus is not null || limits.CpuWeight is not null),
        .. limits.CpuSet is null ? [] : ((string, bool)[])[("cpuset", true)],
        ("cpuacct", false), ("blkio", false), ("io", false),
    ];

    private static CgroupPlan ScopeOf(CgroupHost host, InstanceLimits limits, string unit)
    {
        string[] properties =
        [
            Text($"MemoryMax={limits.MemoryBytes}"), Text($"MemorySwapMax={limits.SwapBytes}"), Text($"TasksMax={limits.Tasks}"),
            .. limits.Cpus is { } cpus ? [Text($"CPUQuota={cpus * 100:0}%")] : (string[])[],
            .. limits.CpuWeight is { } weight ? [Text($"CPUWeight={weight}")] : (string[])[],
            .. limits.CpuSet is { } set ? [$"AllowedCPUs={set}"] : (string[])[],
        ];
        var memory = host.UnifiedControllers.Contains("memory") ? host.Unified : host.Legacy.GetValueOrDefault("memory") is { } own ? Top(own) : null;
        return new(
            ["/usr/bin/systemd-run", "--scope", "--quiet", "--collect", $"--slice={Slice}", $"--unit={unit}", .. properties.SelectMany(p => (string[])["-p", p]), "--"],
            [],
            memory is null ? null : $"{memory}/{Slice}/{unit}/{(memory == host.Unified ? "memory.events" : "memory.oom_control")}");
    }

    /// <summary>The mount of a version 1 hierarchy, which systemd always has at its place.</summary>
    private static string Top(string own) => string.Join('/', own.Split('/').Take(5));

    private static CgroupPlan FoldersOf(CgroupHost host, InstanceLimits limits, string below)
    {
        var folders = new Dictionary<string, List<CgroupValue>>();
        var lacking = new List<string>();
        string? counters = null;
        foreach (var (controller, mustLimit) in Wanted(limits))
        {
            if (host.Legacy.TryGetValue(controller, out var own))
            {
                // Below this process's own group, so that whatever limits the daemon as a whole limits its guests too.
                Add($"{own}/{below}", LegacyValues(controller, limits, own));
                counters ??= controller == "memory" ? $"{own}/{below}/memory.oom_control" : null;
            }
            else if (host.UnifiedControllers.Contains(controller))
            {
                Add($"{host.Unified}/{below}", UnifiedValues(controller, limits));
                counters ??= controller == "memory" ? $"{host.Unified}/{below}/memory.events" : null;
            }
            else if (mustLimit)
            {
                lacking.Add(controller);
            }
        }

        return new([], [.. folders.Select(f => new CgroupFolder(f.Key, f.Value))], counters, lacking.Count == 0 ? null : $"this host has no control groups for {string.Join(" and ", lacking)}");

        void Add(string path, IEnumerable<CgroupValue> values) => (folders.TryGetValue(path, out var list) ? list : folders[path] = []).AddRange(values);
    }

    private static CgroupValue[] LegacyValues(string controller, InstanceLimits limits, string own) => controller switch
    {
        // In this order: the sum may not be less than its part.
        "memory" =>
        [
            new("memory.limit_in_bytes", Text($"{limits.MemoryBytes}")),
            new("memory.memsw.limit_in_bytes", Text($"{limits.MemoryBytes + limits.SwapBytes}"), Optional: true),
        ],
        "pids" => [new("pids.max", Text($"{limits.Tasks}"))],
        "cpu" =>
        [
            .. limits.Cpus is { } cpus ? [new("cpu.cfs_period_us", Text($"{PeriodMicroseconds}")), new("cpu.cfs_quota_us", Quota(cpus))] : (CgroupValue[])[],
            .. limits.CpuWeight is { } weight ? [new("cpu.shares", Text($"{Math.Max(2, weight * 1024L / 100)}"))] : (CgroupValue[])[],
        ],
        "cpuset" => [new("cpuset.cpus", limits.CpuSet ?? FromParent), new("cpuset.mems", FromParent)],
        _ => [],
    };

    /// <summary>A cpuset of version 1 begins empty, and nothing can run in it: what its parent has is filled in.</summary>
    public const string FromParent = "";

    private static CgroupValue[] UnifiedValues(string controller, InstanceLimits limits) => controller switch
    {
        "memory" => [new("memory.max", Text($"{limits.MemoryBytes}")), new("memory.swap.max", Text($"{limits.SwapBytes}"), Optional: true)],
        "pids" => [new("pids.max", Text($"{limits.Tasks}"))],
        "cpu" =>
        [
            .. limits.Cpus is { } cpus ? [new("cpu.max", $"{Quota(cpus)} {PeriodMicroseconds}")] : (CgroupValue[])[],
            .. limits.CpuWeight is { } weight ? [new("cpu.weight", Text($"{weight}"))] : (CgroupValue[])[],
        ],
        "cpuset" when limits.CpuSet is { } set => [new("cpuset.cpus", set)],
        _ => [],
    };

    private static string Quota(double cpus) => Text($"{cpus * PeriodMicroseconds:0}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
