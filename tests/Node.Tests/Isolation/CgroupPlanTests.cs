using Gantry.Node.Isolation;

namespace Gantry.Node.Tests.Isolation;

/// <summary>Golden: what is asked of the kernel, or of systemd, on the kinds of host there are.</summary>
public sealed class CgroupPlanTests
{
    private const string LegacyMounts = """
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
        34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
        39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
        40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
        """;

    private const string LegacyGroups = "9:name=systemd:/\n8:pids:/\n4:memory:/daemons/gantryd\n3:cpuset:/\n1:cpu,cpuacct:/\n0::/\n";

    private const string UnifiedMounts = "25 30 0:23 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    private static readonly InstanceLimits Plain = new(400 << 20, 128 << 20, 193);
    private static readonly InstanceLimits All = Plain with { Cpus = 1.5, CpuWeight = 200, CpuSet = "0-1" };

    [Fact]
    public void Version_1_has_a_group_in_each_hierarchy_below_the_daemons_own() => Lines(CgroupHost.Parse(LegacyMounts, LegacyGroups, "", systemd: false), All).ShouldBe([
        "/sys/fs/cgroup/memory/daemons/gantryd/gantry/r00t/i1: memory.limit_in_bytes=419430400 memory.memsw.limit_in_bytes=553648128?",
        "/sys/fs/cgroup/pids/gantry/r00t/i1: pids.max=193",
        "/sys/fs/cgroup/cpu,cpuacct/gantry/r00t/i1: cpu.cfs_period_us=100000 cpu.cfs_quota_us=150000 cpu.shares=2048",
        "/sys/fs/cgroup/cpuset/gantry/r00t/i1: cpuset.cpus=0-1 cpuset.mems=",
        "counters /sys/fs/cgroup/memory/daemons/gantryd/gantry/r00t/i1/memory.oom_control",
    ]);

    [Fact]
    public void What_is_not_asked_for_is_not_written() => Lines(CgroupHost.Parse(LegacyMounts, LegacyGroups, "", systemd: false), Plain).ShouldBe([
        "/sys/fs/cgroup/memory/daemons/gantryd/gantry/r00t/i1: memory.limit_in_bytes=419430400 memory.memsw.limit_in_bytes=553648128?",
        "/sys/fs/cgroup/pids/gantry/r00t/i1: pids.max=193",
        "/sys/fs/cgroup/cpu,cpuacct/gantry/r00t/i1: ",
        "counters /sys/fs/cgroup/memory/daemons/gantryd/gantry/r00t/i1/memory.oom_control",
    ]);

    [Fact]
    public void Version_2_has_one_group() => Lines(CgroupHost.Parse(UnifiedMounts, "0::/\n", "cpuset cpu io memory hugetlb pids rdma misc\n", systemd: false), All).ShouldBe([
        "/sys/fs/cgroup/gantry/r00t/i1: memory.max=419430400 memory.swap.max=134217728? pids.max=193 cpu.max=150000 100000 cpu.weight=200 cpuset.cpus=0-1",
        "counters /sys/fs/cgroup/gantry/r00t/i1/memory.events",
    ]);

    [Fact]
    public void Systemd_makes_a_scope_that_outlives_the_daemons_unit() => Lines(CgroupHost.Parse(UnifiedMounts, "0::/system.slice/gantryd.service\n", "cpuset cpu io memory pids\n", systemd: true), All).ShouldBe([
        "/usr/bin/systemd-run --scope --quiet --collect --slice=gantry.slice --unit=gantry-r00t-i1.scope -p MemoryMax=419430400 -p MemorySwapMax=134217728 -p TasksMax=193 -p CPUQuota=150% -p CPUWeight=200 -p AllowedCPUs=0-1 --",
        "counters /sys/fs/cgroup/gantry.slice/gantry-r00t-i1.scope/memory.events",
    ]);

    [Fact]
    public void Systemd_on_version_1_keeps_its_counters_in_the_memory_hierarchy() =>
        Lines(CgroupHost.Parse(LegacyMounts, "4:memory:/system.slice/gantryd.service\n1:name=systemd:/system.slice/gantryd.service\n0::/\n", "", systemd: true), Plain)[^1]
            .ShouldBe("counters /sys/fs/cgroup/memory/gantry.slice/gantry-r00t-i1.scope/memory.oom_control");

    [Fact]
    public void In_a_container_the_groups_lie_below_what_is_mounted_there() => Lines(CgroupHost.Parse(
        "1 1 0:1 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n2 1 0:2 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
        "2:pids:/docker/abc\n1:memory:/docker/abc/inner\n", "", systemd: false), Plain).ShouldBe([
        "/sys/fs/cgroup/memory/inner/gantry/r00t/i1: memory.limit_in_bytes=419430400 memory.memsw.limit_in_bytes=553648128?",
        "/sys/fs/cgroup/pids/gantry/r00t/i1: pids.max=193",
        "counters /sys/fs/cgroup/memory/inner/gantry/r00t/i1/memory.oom_control",
    ]);

    [Fact]
    public void A_host_that_cannot_limit_says_what() =>
        CgroupPlan.For(CgroupHost.Parse("", "", "", systemd: false), All, "r00t", "i1").Lacking.ShouldBe("this host has no control groups for memory and pids and cpu and cpuset");

    [Fact]
    public void A_guest_may_have_its_memory_and_what_QEMU_needs_beside_it()
    {
        const long GiB = 1 << 30, MiB = 1 << 20;
        InstanceLimits.Of(4 * GiB, 4, emulated: false, 64 * GiB).ShouldBe(new((4 * GiB) + (8 * MiB) + (32 * MiB) + (256 * MiB), 4 * GiB, 196));
        InstanceLimits.Of(128 * MiB, 1, emulated: true, 4 * GiB).MemoryBytes.ShouldBe((128 * MiB) + (MiB / 4) + (8 * MiB) + (256 * MiB) + (512 * MiB));
        InstanceLimits.Of(128 * MiB, 1, emulated: true, 64 * GiB).MemoryBytes.ShouldBe((128 * MiB) + (MiB / 4) + (8 * MiB) + (256 * MiB) + GiB);
    }

    private static List<string> Lines(CgroupHost host, InstanceLimits limits)
    {
        var plan = CgroupPlan.For(host, limits, "r00t", "i1");
        plan.Lacking.ShouldBeNull();
        return
        [
            .. plan.Before.Count > 0 ? [string.Join(' ', plan.Before)] : (string[])[],
            .. plan.Folders.Select(f => $"{f.Path}: {string.Join(' ', f.Values.Select(v => $"{v.File}={v.Text}{(v.Optional ? "?" : "")}"))}"),
            $"counters {plan.Counters}",
        ];
    }
}
