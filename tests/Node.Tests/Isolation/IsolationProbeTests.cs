using Gantry.Node.Isolation;

namespace Gantry.Node.Tests.Isolation;

/// <summary>What `gantry doctor` says of this host.</summary>
public sealed class IsolationProbeTests : IAsyncDisposable
{
    private readonly TestRoot _root = new();

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    [Fact]
    public async Task Every_measure_is_tried_and_the_trial_leaves_nothing()
    {
        var before = Directory.GetFileSystemEntries(_root.Path, "*", SearchOption.AllDirectories);
        await using var node = new LocalNode(_root.Context);

        var findings = await node.ExamineIsolationAsync(default);

        findings.Select(f => f.Measure).ShouldBe(["user ids", "capabilities", "no_new_privs", "seccomp", "namespaces", "limits", "AppArmor"]);
        foreach (var finding in findings.Where(f => f.Measure != "AppArmor"))
        {
            finding.Holds.ShouldBeTrue($"{finding.Measure}: {finding.Finding}");
            finding.Hint.ShouldBeNull();
        }

        findings[^1].Holds.ShouldBe(AppArmor.WhyNot() is null, findings[^1].Finding);
        Directory.GetFileSystemEntries(_root.Path, "*", SearchOption.AllDirectories).ShouldBe(before);
        _root.Context.Cgroups.Host.Legacy.Values.Select(own => $"{own}/gantry/{_root.Context.Cgroups.Root}").ShouldAllBe(d => !Directory.Exists(d));
    }

    [Fact]
    public async Task What_is_required_and_does_not_hold_is_told_as_a_failure()
    {
        var nothing = new CgroupHost(new Dictionary<string, string>(), null, new HashSet<string>(), Systemd: false);
        await using var node = new LocalNode(_root.Context with
        {
            Isolation = new(new HashSet<Measure> { Measure.Limits }),
            Cgroups = new(_root.Context.Root, TimeProvider.System, nothing),
        });

        var limits = (await node.ExamineIsolationAsync(default)).Single(f => f.Measure == "limits");

        (limits.Holds, limits.Required).ShouldBe((false, true));
        limits.Finding.ShouldBe("Guests are not limited: this host has no control groups for memory and pids.");
    }
}
