using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Isolation;

namespace Gantry.Node.Tests.Isolation;

/// <summary>Real control groups of this host, and real QEMUs in them.</summary>
public sealed class CgroupTests(TestImages images) : IAsyncLifetime
{
    private readonly TestRoot _root = new();
    private QemuDriver _driver = null!;

    private Cgroups Cgroups => _root.Context.Cgroups;

    public ValueTask InitializeAsync()
    {
        _driver = new(_root.Context);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _driver.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task A_running_guest_is_in_its_groups_with_its_limits_and_leaves_none_when_it_has_ended()
    {
        var spec = await GivenAsync();
        await _driver.StartAsync(spec.Id, default);
        var process = (await QemuProcess.FindAsync(_root.Context.Folders.Run(spec.Id), TimeProvider.System))!;
        var groups = Groups(spec.Id.ToString());
        var limits = InstanceLimits.Of(spec.MemoryBytes, spec.Cpus, emulated: true, HostFacts.Read().MemoryBytes);

        groups.ShouldNotBeEmpty();
        groups.ShouldAllBe(g => File.ReadAllLines($"{g}/cgroup.procs").Contains($"{process.Pid}"));
        Read(groups, "pids.max").ShouldBe($"{limits.Tasks}");
        (Read(groups, "memory.limit_in_bytes") ?? Read(groups, "memory.max")).ShouldBe($"{limits.MemoryBytes}");

        Posix.Kill(process.Pid, Posix.SigKill);
        await process.SettleAsync(TimeProvider.System);
        (await _driver.RecoverAsync(spec.Id, default)).State.ShouldBe(InstanceState.Stopped);

        groups.ShouldAllBe(g => !Directory.Exists(g) && !Directory.Exists(Path.GetDirectoryName(g)));
    }

    [Fact]
    public async Task What_a_killed_daemon_left_is_removed_at_the_next_start_and_what_runs_is_kept()
    {
        var spec = await GivenAsync();
        await _driver.StartAsync(spec.Id, default);
        var run = Directory.CreateDirectory($"{_root.Path}/left").FullName;
        var left = Cgroups.Plan(Limits(), "left");
        Cgroups.Make(left, Limits(), run);
        Directory.Delete(run, recursive: true);

        await using var next = new LocalNode(_root.Context);
        await next.RecoverAsync(default);

        left.Folders.ShouldAllBe(f => !Directory.Exists(f.Path));
        Groups(spec.Id.ToString()).ShouldAllBe(g => Directory.Exists(g));
    }

    [Fact]
    public void Processor_time_and_places_are_limited_where_that_is_asked_for()
    {
        var run = Directory.CreateDirectory($"{_root.Path}/cpu").FullName;
        var limits = Limits() with { Cpus = 0.5, CpuWeight = 50, CpuSet = "0" };

        Cgroups.Make(Cgroups.Plan(limits, "cpu"), limits, run);

        var groups = Groups("cpu");
        Read(groups, "cpuset.cpus").ShouldBe("0");
        (Read(groups, "cpu.cfs_quota_us") ?? Read(groups, "cpu.max")?.Split(' ')[0]).ShouldBe("50000");
        Cgroups.Remove(run).ShouldBeTrue();
        groups.ShouldAllBe(g => !Directory.Exists(g));
    }

    [Fact]
    public void Groups_that_are_not_its_own_are_never_touched()
    {
        var (other, run) = (new Cgroups(GantryRoot.At($"{_root.Path}/other"), TimeProvider.System), Directory.CreateDirectory($"{_root.Path}/run-of-other").FullName);
        var plan = other.Plan(Limits(), "theirs");
        other.Make(plan, Limits(), run);

        Cgroups.Sweep().ShouldBeTrue();
        Cgroups.Remove(run).ShouldBeTrue();

        plan.Folders.ShouldAllBe(f => Directory.Exists(f.Path));
        other.Remove(run).ShouldBeTrue();
        plan.Folders.ShouldAllBe(f => !Directory.Exists(f.Path));
    }

    [Fact]
    public async Task A_QEMU_that_wants_more_memory_than_its_limit_is_told_apart_from_one_that_was_killed()
    {
        var launched = new LaunchedProcess(_root, _root.Context.Uids.First);
        Directory.CreateDirectory(launched.Run);
        var limits = Limits() with { MemoryBytes = 96 << 20, SwapBytes = 0 };
        var plan = Cgroups.Plan(limits, "hungry");
        Cgroups.Make(plan, limits, launched.Run);

        await launched.StartAsync(
            [.. plan.Folders.SelectMany(f => (string[])["--cgroup", f.Path]), "--counters", plan.Counters!],
            ["/usr/bin/qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "none", "-sandbox", QemuCommandLine.Sandbox, "-object", "memory-backend-ram,id=m,size=512M,prealloc=on"]);
        await launched.EndedAsync();
        using (var process = await QemuProcess.FindAsync(launched.Run, TimeProvider.System))
        {
            process.ShouldBeNull();
        }

        Cgroups.OomKills(launched.Run).ShouldBe(1);
        var end = QemuProcess.EndOf(launched.Run, "");
        (end.StopCause, end.Reason).ShouldBe((StopCause.OutOfMemory, "QEMU was killed: out of memory (limit 96 MiB)"));
        Cgroups.Remove(launched.Run).ShouldBeTrue();
    }

    [Fact]
    public async Task Without_control_groups_a_guest_starts_unless_limits_are_required()
    {
        var none = _root.Context with { Cgroups = new(_root.Context.Root, TimeProvider.System, new CgroupHost(new Dictionary<string, string>(), null, new HashSet<string>(), Systemd: false)) };
        var spec = await GivenAsync();
        await using (var strict = new QemuDriver(none with { Isolation = new(new HashSet<Measure> { Measure.Limits }) }))
        {
            var refusal = await Should.ThrowAsync<Refusal>(() => strict.StartAsync(spec.Id, default));
            (refusal.Code, refusal.Message).ShouldBe(("isolation.missing", "'web-1' was not started without limits: this host has no control groups for memory and pids."));
            (await strict.InspectAsync(spec.Id, default)).State.ShouldBe(InstanceState.Stopped);
        }

        await using var driver = new QemuDriver(none);
        await driver.StartAsync(spec.Id, default);
        Groups(spec.Id.ToString()).ShouldBeEmpty();
        await driver.StopAsync(spec.Id, StopMode.PowerOff, TimeSpan.Zero, default);
    }

    [Fact]
    public void Version_2_gets_its_controllers_switched_on_from_the_top()
    {
        // A tree of plain files in its place: this host may have none with controllers.
        var top = Directory.CreateDirectory($"{_root.Path}/unified").FullName;
        var cgroups = new Cgroups(_root.Context.Root, TimeProvider.System, new CgroupHost(new Dictionary<string, string>(), top, new HashSet<string> { "memory", "pids", "cpu", "io" }, Systemd: false));
        var limits = Limits() with { Cpus = 2 };

        cgroups.Make(cgroups.Plan(limits, "i1"), limits, _root.Path);

        foreach (var folder in (string[])[top, $"{top}/gantry", $"{top}/gantry/{cgroups.Root}"])
        {
            File.ReadAllText($"{folder}/cgroup.subtree_control").Split(' ').Order().ShouldBe(["+cpu", "+io", "+memory", "+pids"]);
        }

        File.ReadAllText($"{top}/gantry/{cgroups.Root}/i1/memory.max").ShouldBe($"{limits.MemoryBytes}");
        File.ReadAllText($"{top}/gantry/{cgroups.Root}/i1/cpu.max").ShouldBe("200000 100000");
    }

    private static InstanceLimits Limits() => new(256 << 20, 256 << 20, 200);

    private List<string> Groups(string name) => [.. Cgroups.Plan(Limits() with { Cpus = 1, CpuSet = "0" }, name).Folders.Select(f => f.Path).Where(Directory.Exists)];

    private static string? Read(IEnumerable<string> groups, string file) =>
        groups.Select(g => $"{g}/{file}").Where(File.Exists).Select(f => File.ReadAllText(f).Trim()).FirstOrDefault();

    private async Task<InstanceSpec> GivenAsync() => await _root.DefineAsync(new(
        Id<Instance>.New(), "web-1", InstanceKind.Microvm, "qemu", 1, 128 * Contracts.Limits.MiB, Firmware.Direct, images.Kernel, images.Initrd, "quiet", 0));
}
