using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Operations;

/// <summary>What the suite must know of one operation type to put it through everything. Made anew for each run.</summary>
internal abstract class OperationRig : IAsyncDisposable
{
    public abstract OperationType Type { get; }

    /// <summary>Begins it on a target of its own.</summary>
    public abstract Task<Operation> BeginAsync(TestDaemon daemon);

    /// <summary>What is otherwise than before it began, in words; empty when it left nothing behind.</summary>
    public abstract Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon);

    /// <summary>What is otherwise than its success promises, in words: missing, or there twice.</summary>
    public abstract Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon);

    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>
/// Every operation type keeps this: whatever happens at whichever step, it is wholly done or not at all. To join, derive
/// it with a rig; a test demands one for every type of the daemon.
/// </summary>
public abstract class OperationConformance(TestPostgres postgres) : DatabaseTests(postgres)
{
    internal abstract OperationRig NewRig();

    [Fact]
    public Task It_does_what_it_promises() => RunAsync((_, _) => { }, async (run, _) =>
        await run.DemandDoneAsync(await run.Daemon.EndOfAsync(await run.BeginAsync())), onlyOnce: true);

    [Fact]
    public Task Done_twice_every_host_step_changes_nothing_more() => RunAsync((failpoints, _) => failpoints.HostStepRuns = 2, async (run, _) =>
        await run.DemandDoneAsync(await run.Daemon.EndOfAsync(await run.BeginAsync())), onlyOnce: true);

    [Fact]
    public Task Failed_at_any_step_before_or_after_its_work_it_leaves_nothing() => RunAsync(
        (failpoints, point) => failpoints.Hook = OnceAt(point, () => throw new InvalidOperationException($"failed {point.Moment} step {point.Step}")),
        async (run, point) =>
        {
            var ended = await run.Daemon.EndOfAsync(await run.BeginAsync());
            if (point.Step >= run.NoReturn)
            {
                await run.DemandDoneAsync(ended);
                return;
            }

            ended.State.ShouldBe(OperationState.Failed, point.ToString());
            ended.Error!.Code.ShouldBe("operation.failed");
            (await run.Rig.LeftoversAsync(run.Daemon)).ShouldBeEmpty(point.ToString());
        });

    [Fact]
    public Task Cancelled_at_any_step_it_leaves_nothing()
    {
        TestDaemon? daemon = null;
        Operation? begun = null;
        Refusal? refused = null;
        return RunAsync(
            (failpoints, point) => failpoints.Hook = OnceAt(point, async () =>
            {
                try
                {
                    begun = (await daemon!.Operations.ListAsync(OperationState.Running, null, 1, null, default)).Items.Single();
                    await daemon.Operations.CancelAsync(begun.Id, default);
                }
                catch (Refusal refusal)
                {
                    refused = refusal;
                }
            }),
            async (run, point) =>
            {
                (daemon, refused) = (run.Daemon, null);
                var ended = await run.Daemon.EndOfAsync(await run.BeginAsync());
                if (refused is not null)
                {
                    refused.Code.ShouldBe("operation.past_return", point.ToString());
                    point.Step.ShouldBeGreaterThanOrEqualTo(run.NoReturn);
                    await run.DemandDoneAsync(ended);
                    return;
                }

                ended.State.ShouldBe(OperationState.Cancelled, point.ToString());
                (await run.Rig.LeftoversAsync(run.Daemon)).ShouldBeEmpty(point.ToString());
            });
    }

    [Fact]
    public Task Broken_off_at_any_step_with_its_daemon_the_next_run_of_the_daemon_ends_it()
    {
        var gate = new Gate();
        return RunAsync(
            (failpoints, point) =>
            {
                gate = new();
                failpoints.Hook = OnceAt(point, async () =>
                {
                    using var never = new CancellationTokenSource();
                    await gate.PassAsync(never.Token);
                    throw new InvalidOperationException("the daemon is gone");
                });
            },
            async (run, _) =>
            {
                var begun = await run.BeginAsync();
                await gate.Entered;
                var crash = run.Daemon.CrashAsync();
                gate.Open();
                await crash;
                await using var next = await TestDaemon.StartAsync(Database, [run.Rig.Type]);
                await run.DemandDoneAsync(await next.EndOfAsync(begun));
            });
    }

    private static Func<string, int, Moment, Task> OnceAt(Point point, Func<Task> what)
    {
        var times = 0;
        return (_, step, moment) => (step, moment) == (point.Step, point.Moment) && Interlocked.Increment(ref times) == 1 ? what() : Task.CompletedTask;
    }

    /// <summary>Runs the operation once for each step and moment, each time with a new rig and a new daemon over the same database.</summary>
    private async Task RunAsync(Action<Failpoints, Point> prepare, Func<Run, Point, Task> check, bool onlyOnce = false)
    {
        for (int step = 0, steps = 1; step < steps; step++)
        {
            foreach (var moment in (Moment[])[Moment.Before, Moment.After])
            {
                var point = new Point(step, moment);
                await using var rig = NewRig();
                await using var daemon = await TestDaemon.StartAsync(Database, [rig.Type], failpoints: f => prepare(f, point));
                var run = new Run(rig, daemon);
                await check(run, point);
                if (onlyOnce)
                {
                    return;
                }

                steps = run.Steps;
            }
        }
    }

    internal sealed record Point(int Step, Moment Moment);

    internal sealed class Run(OperationRig rig, TestDaemon daemon)
    {
        public OperationRig Rig => rig;

        public TestDaemon Daemon => daemon;

        public int Steps { get; private set; }

        /// <summary>The first step from which there is no way back.</summary>
        public int NoReturn { get; private set; }

        public async Task<Operation> BeginAsync()
        {
            var begun = await rig.BeginAsync(daemon);
            var steps = daemon.Tools.Types.StepsOf((await daemon.Store.FindWithInputAsync(begun.Id.Value, default))!);
            (Steps, NoReturn) = (steps.Count, steps.TakeWhile(s => s is not HostStep { OnlyForward: true }).Count());
            return begun;
        }

        public async Task DemandDoneAsync(Operation ended)
        {
            ended.State.ShouldBe(OperationState.Succeeded, ended.Error?.Detail);
            (await rig.MissingAsync(daemon)).ShouldBeEmpty();
        }
    }
}

/// <summary>Not one operation type of the daemon without its rig.</summary>
public sealed class OperationConformanceIsComplete
{
    [Fact]
    public void Every_operation_type_of_the_daemon_has_a_rig()
    {
        var types = typeof(OperationType).Assembly.GetTypes().Where(t => t is { IsAbstract: false } && t.IsSubclassOf(typeof(OperationType))).Select(t => t.Name);
        var rigs = typeof(OperationConformance).Assembly.GetTypes().Where(t => t is { IsAbstract: false } && t.IsSubclassOf(typeof(OperationConformance))).Select(t => t.Name);

        types.Except(rigs.Select(r => r.Replace("Conformance", "", StringComparison.Ordinal))).ShouldBeEmpty("name the suite of an operation type X XConformance");
    }
}
