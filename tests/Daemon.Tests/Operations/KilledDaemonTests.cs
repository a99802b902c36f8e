using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Operations;

/// <summary>A real daemon, ended by SIGKILL in the middle of an operation; its next run ends what it began, once.</summary>
public sealed class KilledDaemonTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Theory]
    [InlineData("kill:instance.create:0:after")]
    [InlineData("kill:instance.create:1:before")]
    [InlineData("kill:instance.create:1:after")]
    [InlineData("kill:instance.create:2:after")]
    public async Task An_instance_whose_creation_was_killed_is_there_once_after_the_restart(string failpoint)
    {
        using var root = new TestRoot();
        await using var daemon = new DaemonProcess(root.Path, Database);
        await daemon.StartAsync(failpoint);
        var asked = daemon.Api.CreateInstanceAsync(RunningDaemon.A("survivor"), 60);
        await daemon.DeathAsync();
        await Should.ThrowAsync<Refusal>(asked);

        await daemon.StartAsync();

        var operation = (await daemon.Api.ListOperationsAsync()).Items.ShouldHaveSingleItem();
        (await daemon.Api.GetOperationAsync(operation.Id, 60)).State.ShouldBe(OperationState.Succeeded);
        (await daemon.Api.ListInstancesAsync()).Items.ShouldHaveSingleItem().State.ShouldBe(InstanceState.Stopped);
    }
}
