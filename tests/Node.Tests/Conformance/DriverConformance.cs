using Gantry.Contracts;
using Gantry.Node.Drivers;
using DriverList = Gantry.Node.Drivers.Drivers;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Conformance;

/// <summary>What every driver promises. A driver joins by a rig: which driver and kind, and how one of its guests ends by itself.</summary>
public abstract partial class DriverConformance : IAsyncLifetime
{
    /// <summary>Generous: a guest without hardware virtualisation on a busy machine.</summary>
    protected static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly TestRoot _root = new();
    private IDriver _driver = null!;

    public abstract string Driver { get; }

    public abstract InstanceKind Kind { get; }

    /// <summary>What to boot; the rest of the specification is filled in.</summary>
    protected virtual InstanceSpec Boot(InstanceSpec spec) => spec;

    /// <summary>As <see cref="Boot"/>, for a guest that powers itself off once it runs.</summary>
    protected virtual InstanceSpec BootAndPowerOff(InstanceSpec spec) => Boot(spec);

    /// <summary>Makes a guest of <see cref="BootAndPowerOff"/> end where it does not do so by itself.</summary>
    protected virtual void LetItEnd(IDriver driver, Id<Instance> id)
    {
    }

    /// <summary>Text a guest writes once it minds its power button.</summary>
    protected abstract string UpText { get; }

    public ValueTask InitializeAsync()
    {
        _driver = DriverList.All[Driver](_root.Context);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _driver.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task It_runs_here_under_the_name_it_is_registered_by()
    {
        var probe = await _driver.ProbeAsync(CancellationToken.None);

        _driver.Name.ShouldBe(Driver);
        _driver.Kinds.ShouldContain(Kind);
        probe.Health.ShouldBe(DriverHealth.Usable, probe.Reason);
    }

    [Fact]
    public async Task Starting_twice_and_stopping_twice_is_the_same_as_once()
    {
        var id = await GivenAsync(Boot);
        (await _driver.InspectAsync(id, default)).ShouldBe(new InstanceStatus(InstanceState.Stopped));

        await _driver.StartAsync(id, default);
        var first = await _driver.InspectAsync(id, default);
        await _driver.StartAsync(id, default);
        var second = await _driver.InspectAsync(id, default);
        first.State.ShouldBe(InstanceState.Running);
        second.State.ShouldBe(InstanceState.Running);
        second.Observed!.Pid.ShouldBe(first.Observed!.Pid);

        await _driver.StopAsync(id, StopMode.PowerOff, TimeSpan.Zero, default);
        await _driver.StopAsync(id, StopMode.PowerOff, TimeSpan.Zero, default);
        (await _driver.InspectAsync(id, default)).ShouldBe(new InstanceStatus(InstanceState.Stopped));

        await _driver.StartAsync(id, default);
        (await _driver.InspectAsync(id, default)).State.ShouldBe(InstanceState.Running);
    }

    [Fact]
    public async Task Pausing_and_resuming_twice_is_the_same_as_once()
    {
        var driver = _driver.ShouldBeAssignableTo<IPause>()!;
        var id = await GivenAsync(Boot);
        (await Should.ThrowAsync<Refusal>(() => driver.PauseAsync(id, default))).Code.ShouldBe("instance.not_running");

        await driver.StartAsync(id, default);
        await driver.PauseAsync(id, default);
        await driver.PauseAsync(id, default);
        (await driver.InspectAsync(id, default)).State.ShouldBe(InstanceState.Paused);
        (await Should.ThrowAsync<Refusal>(() => driver.StopAsync(id, StopMode.Shutdown, TimeSpan.FromSeconds(1), default))).Code.ShouldBe("instance.shutdown_timeout");

        await driver.ResumeAsync(id, default);
        await driver.ResumeAsync(id, default);
        (await driver.InspectAsync(id, default)).State.ShouldBe(InstanceState.Running);
    }

    [Fact]
    public async Task A_reset_keeps_the_guest_running_and_is_no_news()
    {
        var driver = _driver.ShouldBeAssignableTo<IReset>()!;
        var id = await GivenAsync(Boot);
        (await Should.ThrowAsync<Refusal>(() => driver.ResetAsync(id, default))).Code.ShouldBe("instance.not_running");

        // SeaBIOS of QEMU 7.2 hangs when it is reset while it copies itself into memory: a button is pressed when there is something to be seen.
        await driver.StartAsync(id, default);
        await UntilItIsUpAsync(id);
        var before = await driver.InspectAsync(id, default);
        await driver.ResetAsync(id, default);

        var after = await driver.InspectAsync(id, default);
        (after.State, after.Observed!.Pid).ShouldBe((InstanceState.Running, before.Observed!.Pid));
        await UntilItIsUpAsync(id, times: 2);
    }

    [Fact]
    public async Task A_size_that_cannot_be_had_now_is_no_error_and_says_why()
    {
        var driver = _driver.ShouldBeAssignableTo<IResize>()!;
        var id = await GivenAsync(Boot);
        var asItIs = new InstanceSize(1, 128 * Limits.MiB);
        (await driver.ResizeAsync(id, asItIs, default)).ShouldBeNull();

        await driver.StartAsync(id, default);
        (await driver.ResizeAsync(id, asItIs, default)).ShouldBe(new Resized(asItIs));
        var much = await driver.ResizeAsync(id, new(64, 1L << 40), default);
        much!.Now.ShouldBe(asItIs);
        much.WhyNot!.ShouldContain("CPUs");
        much.WhyNot!.ShouldContain("room for 128 MiB");
        var observed = (await driver.InspectAsync(id, default)).Observed!;
        (observed.Cpus, observed.MemoryBytes).ShouldBe((1, 128 * Limits.MiB));

        await ((IPause)driver).PauseAsync(id, default);
        (await driver.ResizeAsync(id, new(1, 64 * Limits.MiB), default)).ShouldBe(new Resized(asItIs, ResizeReasons.Paused));
    }

    [Fact]
    public async Task A_guest_writes_on_its_serial_line_and_minds_its_power_button()
    {
        var id = await GivenAsync(Boot);
        await _driver.StartAsync(id, default);
        await UntilItIsUpAsync(id);

        var tail = await ((ISerialLog)_driver).ReadSerialAsync(id, 5, default);
        tail.Text.Length.ShouldBeLessThanOrEqualTo(5);
        tail.Truncated.ShouldBeTrue();

        await _driver.StopAsync(id, StopMode.Shutdown, Patience, default);
        (await _driver.InspectAsync(id, default)).ShouldBe(new InstanceStatus(InstanceState.Stopped));
    }

    [Fact]
    public async Task A_new_driver_takes_up_what_runs_and_what_is_paused()
    {
        var running = await GivenAsync(Boot);
        var paused = await GivenAsync(Boot);
        await _driver.StartAsync(running, default);
        await _driver.StartAsync(paused, default);
        await ((IPause)_driver).PauseAsync(paused, default);
        var before = await _driver.InspectAsync(running, default);

        await RestartDriverAsync();

        (await _driver.RecoverAsync(paused, default)).State.ShouldBe(InstanceState.Paused);
        var after = await _driver.RecoverAsync(running, default);
        after.State.ShouldBe(InstanceState.Running);
        after.Observed!.Pid.ShouldBe(before.Observed!.Pid);
        after.Observed.Accelerator.ShouldBe(before.Observed.Accelerator);
        await ((IPause)_driver).PauseAsync(running, default);
        await _driver.StopAsync(running, StopMode.PowerOff, TimeSpan.Zero, default);
        (await _driver.RecoverAsync(running, default)).State.ShouldBe(InstanceState.Stopped);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_guest_that_powers_itself_off_is_told_of(bool afterRecovery)
    {
        var id = await GivenAsync(BootAndPowerOff);
        await _driver.StartAsync(id, default);
        if (afterRecovery)
        {
            await RestartDriverAsync();
            await _driver.RecoverAsync(id, default);
        }

        LetItEnd(_driver, id);

        (await NextChangeAsync(id)).State.ShouldBe(InstanceState.Stopped);
        var seen = await _driver.InspectAsync(id, default);
        (seen.State, seen.StopCause).ShouldBe((InstanceState.Stopped, StopCause.GuestShutdown));
    }

    [Fact]
    public async Task Removing_a_running_one_ends_it_and_leaves_nothing()
    {
        var id = await GivenAsync(Boot);
        await _driver.StartAsync(id, default);
        var pid = (await _driver.InspectAsync(id, default)).Observed!.Pid;

        await using (var node = new LocalNode(_root.Context))
        {
            await _driver.DisposeAsync();
            await node.RemoveAsync(id, default);
            await node.RemoveAsync(Id<Instance>.New(), default);
        }

        Directory.GetDirectories(_root.Context.Root.Instances).ShouldBeEmpty();
        Directory.GetDirectories(_root.Context.Root.InstancesRun).ShouldBeEmpty();
        (pid is { } number ? HostProcess.StartOf(number) : null).ShouldBeNull();
    }

    [Fact]
    public async Task It_shows_how_it_starts_one()
    {
        var id = await GivenAsync(Boot);
        var before = await ((ICommandLine)_driver).CommandLineAsync(id, default);
        await _driver.StartAsync(id, default);
        var now = await ((ICommandLine)_driver).CommandLineAsync(id, default);

        now.Text.ShouldBe(before.Text);
        now.Text.ShouldContain(now.Program);
    }

    private async Task<Id<Instance>> GivenAsync(Func<InstanceSpec, InstanceSpec> boot)
    {
        var spec = boot(new(Id<Instance>.New(), "web-1", Kind, Driver, 1, 128 * Limits.MiB, Firmware.Direct, null, null, null, 0));
        await _driver.CheckAsync(spec, default);
        return (await _root.DefineAsync(spec)).Id;
    }

    private async Task RestartDriverAsync()
    {
        await _driver.DisposeAsync();
        _driver = DriverList.All[Driver](_root.Context);
    }

    private async Task UntilItIsUpAsync(Id<Instance> id, int times = 1)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while ((await ((ISerialLog)_driver).ReadSerialAsync(id, 1 << 20, deadline.Token)).Text.Split(UpText).Length <= times)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, deadline.Token);
        }
    }

    private async Task<InstanceChange> NextChangeAsync(Id<Instance> id)
    {
        using var deadline = new CancellationTokenSource(Patience);
        await foreach (var change in _driver.ChangesAsync(deadline.Token))
        {
            if (change.Id == id)
            {
                return change;
            }
        }

        throw new InvalidOperationException("The changes came to an end.");
    }
}
