using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Operations;

/// <summary>
/// A real daemon, ended by SIGKILL before and after the work of every step of every operation on an instance; its next run
/// ends what it began, once, and nothing else lies about.
/// </summary>
public sealed class KilledDaemonTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Theory]
    [InlineData("instance.create", null, InstanceState.Stopped)]
    [InlineData("instance.start", InstanceState.Stopped, InstanceState.Running)]
    [InlineData("instance.shutdown", InstanceState.Running, InstanceState.Stopped)]
    [InlineData("instance.stop", InstanceState.Running, InstanceState.Stopped)]
    [InlineData("instance.pause", InstanceState.Running, InstanceState.Paused)]
    [InlineData("instance.resume", InstanceState.Paused, InstanceState.Running)]
    [InlineData("instance.restart", InstanceState.Running, InstanceState.Running, 5)]
    [InlineData("instance.reset", InstanceState.Running, InstanceState.Running)]
    [InlineData("instance.rename", InstanceState.Running, InstanceState.Running)]
    [InlineData("instance.resize", InstanceState.Running, InstanceState.Running)]
    [InlineData("instance.delete", InstanceState.Stopped, null)]
    public async Task An_operation_that_was_killed_anywhere_is_done_once_after_the_restart(string kind, InstanceState? before, InstanceState? after, int steps = 3)
    {
        using var root = new TestRoot();
        await using var daemon = new DaemonProcess(root.Path, Database);
        await daemon.StartAsync();
        for (var cut = 0; cut < 2 * steps; cut++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"survivor{cut}");
            if (before is not null)
            {
                await GivenAsync(daemon.Api, name, before.Value);
            }

            await daemon.KillAsync();
            await daemon.StartAsync($"kill:{kind}:{cut / 2}:{(cut % 2 == 0 ? "before" : "after")}");
            var asked = BeginAsync(daemon.Api, kind, name);
            await daemon.DeathAsync();
            (await Record.ExceptionAsync(() => asked)).ShouldNotBeNull();

            await daemon.StartAsync();
            var operation = (await daemon.Api.ListOperationsAsync($"?limit=1&target={name}")).Items.ShouldHaveSingleItem();
            operation.Kind.ShouldBe(kind);
            (await daemon.Api.GetOperationAsync(operation.Id, 60)).State.ShouldBe(OperationState.Succeeded, $"cut {cut}");
            var found = (await daemon.Api.ListInstancesAsync($"?filter=name like '{name}*'")).Items;
            found.Select(i => (InstanceState?)i.State).ShouldBe(after is null ? [] : [after], $"cut {cut}");
            if (kind == "instance.rename")
            {
                found[0].Name.ShouldBe($"{name}-other", $"cut {cut}");
            }
            else if (kind == "instance.resize")
            {
                (found[0].Cpus, found[0].MemoryBytes, found[0].Pending?.Cpus).ShouldBe((1, 64 * Limits.MiB, 2), $"cut {cut}");
            }
        }

        Directory.GetDirectories($"{root.Path}/data/instances").Length.ShouldBe(after is null ? 0 : 2 * steps);
    }

    private static async Task GivenAsync(ApiClient api, string name, InstanceState state)
    {
        await RunningDaemon.DoneAsync(api.CreateInstanceAsync(RunningDaemon.A(name) with { StartNow = state != InstanceState.Stopped }, 60));
        if (state == InstanceState.Paused)
        {
            await RunningDaemon.DoneAsync(api.ActOnInstanceAsync(name, InstanceAction.Pause, 60));
        }
    }

    private static Task<Operation> BeginAsync(ApiClient api, string kind, string name) => kind switch
    {
        "instance.create" => api.CreateInstanceAsync(RunningDaemon.A(name), 60),
        "instance.rename" => api.RenameInstanceAsync(name, $"{name}-other", 60),
        "instance.resize" => api.ResizeInstanceAsync(name, new(2, 64 * Limits.MiB), 60),
        _ => api.ActOnInstanceAsync(name, Enum.Parse<InstanceAction>(kind["instance.".Length..], ignoreCase: true), 60),
    };
}
