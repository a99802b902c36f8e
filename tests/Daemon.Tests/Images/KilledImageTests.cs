using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Images;

/// <summary>A real daemon, ended by SIGKILL while it builds or deletes the real image: its next run ends what it began.</summary>
public sealed class KilledImageTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Theory]
    [InlineData("kill:image.build:1:before", true)]
    [InlineData("kill:image.build:1:after", true)]
    [InlineData("kill:image.build:2:after", true)]
    [InlineData("kill:image.delete:0:after", false)]
    [InlineData("kill:image.delete:1:before", false)]
    [InlineData("kill:image.delete:1:after", false)]
    public async Task What_was_killed_is_done_after_the_restart(string failpoint, bool builds)
    {
        using var root = new TestRoot();
        await using var daemon = new DaemonProcess(root.Path, Database);
        if (!builds)
        {
            await daemon.StartAsync();
            await RunningDaemon.DoneAsync(daemon.Api.BuildImageAsync(new("micro"), 120));
            await daemon.KillAsync();
        }

        await daemon.StartAsync(failpoint);
        var asked = builds ? daemon.Api.BuildImageAsync(new("micro"), Limits.MaxWaitSeconds) : daemon.Api.DeleteImageAsync("micro", Limits.MaxWaitSeconds);
        await daemon.DeathAsync();
        (await Record.ExceptionAsync(() => asked)).ShouldNotBeNull();

        await daemon.StartAsync();
        var operation = (await daemon.Api.ListOperationsAsync("?limit=1")).Items.ShouldHaveSingleItem();
        (await daemon.Api.GetOperationAsync(operation.Id, 120)).State.ShouldBe(OperationState.Succeeded);
        (await daemon.Api.ListImagesAsync()).Items.Select(i => (i.Name, i.State)).ShouldBe(builds ? [("micro", ImageState.Ready)] : []);
        Directory.GetFileSystemEntries($"{root.Path}/data/images").Length.ShouldBe(builds ? 1 : 0);
    }
}
