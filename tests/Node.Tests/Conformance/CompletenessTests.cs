using Gantry.Contracts;
using Gantry.Node.Drivers;
using DriverList = Gantry.Node.Drivers.Drivers;

namespace Gantry.Node.Tests.Conformance;

public sealed class CompletenessTests
{
    [Fact]
    public async Task Every_registered_driver_runs_the_shared_suite_with_every_kind_it_runs()
    {
        await using var root = new TestRoot();
        var wanted = DriverList.All.Where(d => d.Key != "sim").SelectMany(d => d.Value(root.Context).Kinds.Select(kind => (d.Key, kind))).Append(("sim", InstanceKind.Microvm));
        var covered = typeof(CompletenessTests).Assembly.GetTypes()
            .Where(t => t.IsSubclassOf(typeof(DriverConformance)) && !t.IsAbstract)
            .Select(t => (DriverConformance)System.Runtime.CompilerServices.RuntimeHelpers.GetUninitializedObject(t))
            .Select(rig => (rig.Driver, rig.Kind));

        wanted.Except(covered).ShouldBeEmpty();
    }

    [Fact]
    public async Task Capabilities_come_from_the_type()
    {
        await using var root = new TestRoot();

        Capabilities.Of(DriverList.All["qemu"](root.Context)).ShouldBe(["agentChannel", "commandLine", "disks", "memory", "nics", "pause", "reset", "resize", "serialConsole", "serialLog"]);
    }
}
