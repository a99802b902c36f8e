using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>Every action in every state, asked of the running daemon: either it is done, or it is refused and nothing has changed.</summary>
public sealed class InstanceStateTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private static readonly Dictionary<InstanceAction, InstanceState[]> Possible = new()
    {
        [InstanceAction.Start] = [InstanceState.Stopped, InstanceState.Error],
        [InstanceAction.Shutdown] = [InstanceState.Running],
        [InstanceAction.Stop] = [InstanceState.Running, InstanceState.Paused, InstanceState.Error],
        [InstanceAction.Pause] = [InstanceState.Running],
        [InstanceAction.Resume] = [InstanceState.Paused],
        [InstanceAction.Delete] = [InstanceState.Stopped, InstanceState.Error],
        [InstanceAction.Restart] = [InstanceState.Running],
        [InstanceAction.Reset] = [InstanceState.Running],
        [InstanceAction.Rename] = [InstanceState.Stopped, InstanceState.Running, InstanceState.Paused],
        [InstanceAction.Resize] = [InstanceState.Stopped, InstanceState.Running, InstanceState.Paused],
    };

    public static TheoryData<InstanceAction, InstanceState> EveryPair()
    {
        var pairs = new TheoryData<InstanceAction, InstanceState>();
        foreach (var action in Enum.GetValues<InstanceAction>())
        {
            foreach (var state in Enum.GetValues<InstanceState>())
            {
                pairs.Add(action, state);
            }
        }

        return pairs;
    }

    [Theory]
    [MemberData(nameof(EveryPair))]
    public async Task An_action_is_done_or_refused_as_the_state_allows(InstanceAction action, InstanceState state)
    {
        var name = $"{action}-{state}".ToLowerInvariant();
        await daemon.GivenInstanceAsync(name, state);

        if (Possible[action].Contains(state))
        {
            await RunningDaemon.DoneAsync(ActAsync(name, action));
        }
        else
        {
            var refusal = await RunningDaemon.RefusedAsync(() => ActAsync(name, action));
            (refusal.Code, refusal.Status).ShouldBe(("instance.wrong_state", 409));
            refusal.Message.ShouldContain(name);
            refusal.Hint.ShouldNotBeEmpty();
            (await daemon.Api.GetInstanceAsync(name)).State.ShouldBe(state);
        }
    }

    [Theory]
    [InlineData(InstanceState.Running)]
    [InlineData(InstanceState.Paused)]
    public async Task A_running_instance_is_deleted_by_force(InstanceState state)
    {
        var name = $"forced-{state}".ToLowerInvariant();
        var made = await daemon.GivenInstanceAsync(name, state);

        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync(name, force: true, 60));

        daemon.Node.Context.Folders.All().ShouldNotContain(made.Id);
    }

    [Fact]
    public async Task A_paused_instance_is_restarted_by_force()
    {
        await daemon.GivenInstanceAsync("forced-restart", InstanceState.Paused);

        await RunningDaemon.DoneAsync(daemon.Api.RestartInstanceAsync("forced-restart", new(1, Force: true), 60));

        (await daemon.Api.GetInstanceAsync("forced-restart")).State.ShouldBe(InstanceState.Running);
    }

    private Task<Operation> ActAsync(string name, InstanceAction action) => action switch
    {
        InstanceAction.Rename => daemon.Api.RenameInstanceAsync(name, $"{name}-2", 60),
        InstanceAction.Resize => daemon.Api.ResizeInstanceAsync(name, new(MemoryBytes: 64 * Limits.MiB), 60),
        _ => daemon.Api.ActOnInstanceAsync(name, action, 60),
    };

    [Fact]
    public void Every_pair_has_an_answer() =>
        EveryPair().Select(p => p.Data).ShouldAllBe(p => (InstanceActions.Hint(p.Item2, p.Item1, false) == null) == Possible[p.Item1].Contains(p.Item2));
}
