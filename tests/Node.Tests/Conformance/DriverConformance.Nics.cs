using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Conformance;

public abstract partial class DriverConformance
{
    [Fact]
    public async Task NICs_of_a_running_one_change_as_far_as_its_kind_allows_and_the_rest_is_told()
    {
        var able = (INics)_driver;
        var id = await GivenAsync(spec => Boot(spec) with { Nics = [new("eth0", "52:54:00:00:00:01"), new("eth1", "52:54:00:00:00:02")] });
        (await able.PlugNicAsync(id, "eth1", default)).ShouldBeNull("it does not run");
        (await able.UnplugNicAsync(id, "eth1", default)).ShouldBeNull();
        (await able.LimitNicAsync(id, "eth1", default)).ShouldBeNull();
        await _driver.StartAsync(id, default);
        await UntilItIsUpAsync(id);
        var vm = Kind == InstanceKind.Vm;

        (await Should.ThrowAsync<Refusal>(() => able.PlugNicAsync(id, "eth9", default))).Code.ShouldBe("nic.unknown");
        (await Should.ThrowAsync<Refusal>(() => able.LimitNicAsync(id, "eth9", default))).Code.ShouldBe("nic.unknown");
        Change(new("eth0", "52:54:00:00:00:01", Limits: new() { SendBytesPerSecond = 1000 }), new("eth1", "52:54:00:00:00:02"), new("eth2", "52:54:00:00:00:03"));
        (await able.LimitNicAsync(id, "eth0", default)).ShouldBe(new NicChange(), "on no network, there is nothing to limit");
        (await able.NicStatisticsAsync(id, default)).ShouldBeEmpty();
        (await able.PlugNicAsync(id, "eth2", default)).ShouldBe(new NicChange(vm ? null : NicReasons.NoPlug));
        Change(new NicSpec("eth0", "52:54:00:00:00:01"));
        (await able.UnplugNicAsync(id, "eth1", default)).ShouldBe(new NicChange(vm ? null : NicReasons.NoUnplug));
        await ((IPause)_driver).PauseAsync(id, default);
        (await able.UnplugNicAsync(id, "eth0", default)).ShouldBe(new NicChange(vm ? NicReasons.Unanswered : NicReasons.NoUnplug));

        void Change(params IReadOnlyList<NicSpec> nics) => _root.Context.Folders.Write(_root.Context.Folders.Read(id) with { Nics = nics });
    }
}
