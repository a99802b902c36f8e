using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Operations;

/// <summary>Failures, cancels, crashes, other daemons, a database that goes away.</summary>
public sealed class OperationTroubleTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private static Scripted Gated(Gate gate, Func<Task>? undo = null) =>
        new("test.gated", new HostStep("wait", (_, ct) => gate.PassAsync(ct), (_, _) => undo?.Invoke() ?? Task.CompletedTask));

    [Fact]
    public async Task A_refusal_of_a_step_is_the_operations_error_and_earlier_steps_are_undone_last_first()
    {
        var undone = new List<string>();
        HostStep Step(string name, Exception? fails = null) => new(name, (_, _) => fails is null ? Task.CompletedTask : Task.FromException(fails), (_, _) =>
        {
            undone.Add(name);
            return Task.CompletedTask;
        });
        var type = new Scripted("test.fails", Step("one"), Step("two"), Step("three", Refusal.Conflict("disk.full", "The disk is full.", "Make room.")), Step("four"));
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);

        var ended = await daemon.EndOfAsync(await daemon.BeginAsync(type, "a"));

        (ended.State, ended.Error!.Code, ended.Error.Status, ended.Error.Detail).ShouldBe((OperationState.Failed, "disk.full", 409, "The disk is full."));
        undone.ShouldBe(["three", "two", "one"]);
        (await daemon.EventsAsync(0, 1, EventTypes.OperationFinished))[0].Data!.Value.GetProperty("error").GetString().ShouldBe("disk.full");
    }

    [Fact]
    public async Task A_cancel_interrupts_the_step_undoes_it_and_ends_cancelled()
    {
        var gate = new Gate();
        var undone = 0;
        var type = Gated(gate, () => Task.FromResult(undone++));
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);
        var begun = await daemon.BeginAsync(type, "a");
        await gate.Entered;

        (await daemon.Operations.CancelAsync(begun.Id, default)).State.ShouldBe(OperationState.Cancelling);
        var ended = await daemon.EndOfAsync(begun);

        (ended.State, ended.Error, undone).ShouldBe((OperationState.Cancelled, null, 1));
        (await Should.ThrowAsync<Refusal>(daemon.Operations.CancelAsync(begun.Id, default))).Status.ShouldBe(409);
    }

    [Fact]
    public async Task A_cancel_asked_of_another_daemon_reaches_the_one_that_runs_it()
    {
        var gate = new Gate();
        var type = Gated(gate);
        await using var one = await TestDaemon.StartAsync(Database, [type]);
        await using var two = await TestDaemon.StartAsync(Database, [type], "two");
        var begun = await one.BeginAsync(type, "a");
        await gate.Entered;

        await two.Operations.CancelAsync(begun.Id, default);

        (await two.EndOfAsync(begun)).State.ShouldBe(OperationState.Cancelled);
    }

    [Fact]
    public async Task A_queued_operation_is_cancelled_at_once_and_never_runs()
    {
        var gate = new Gate();
        var ran = false;
        var type = Gated(gate);
        var second = new Scripted("test.second", new HostStep("run", (_, _) => Task.FromResult(ran = true)));
        await using var daemon = await TestDaemon.StartAsync(Database, [type, second]);
        await daemon.BeginAsync(type, "a");
        var queued = await daemon.BeginAsync(second, "a", new(Queue: true));
        var last = await daemon.BeginAsync(type, "a", new(Queue: true));

        (await daemon.Operations.CancelAsync(queued.Id, default)).State.ShouldBe(OperationState.Cancelled);
        gate.Open();

        (await daemon.EndOfAsync(last)).State.ShouldBe(OperationState.Succeeded);
        ran.ShouldBeFalse();
    }

    [Fact]
    public async Task Past_the_point_of_return_a_cancel_is_refused_and_failures_are_tried_again_until_it_works()
    {
        var gate = new Gate();
        var tries = 0;
        var type = new Scripted("test.forward", new HostStep("remove", async (_, ct) =>
        {
            await gate.PassAsync(ct);
            if (Interlocked.Increment(ref tries) < 4)
            {
                throw new IOException("busy");
            }
        })
        { OnlyForward = true }, new DbStep("forget", (t, _, _) => tries++ < 6 ? throw new IOException("also busy") : Task.CompletedTask));
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);
        var begun = await daemon.BeginAsync(type, "a");
        await gate.Entered;

        (await Should.ThrowAsync<Refusal>(daemon.Operations.CancelAsync(begun.Id, default))).Code.ShouldBe("operation.past_return");
        gate.Open();
        var ended = await daemon.EndOfAsync(begun);

        (ended.State, tries).ShouldBe((OperationState.Succeeded, 7));
        (await daemon.Operations.LogAsync(begun.Id, default)).Items.Count.ShouldBe(5);
    }

    [Fact]
    public async Task An_undo_is_tried_again_and_when_it_never_works_the_error_says_what_is_left()
    {
        var (first, second) = (0, 0);
        var type = new Scripted("test.stuck",
            new HostStep("reserve", (_, _) => Task.CompletedTask, (_, _) => Task.FromResult(first++)),
            new HostStep("make", (_, _) => throw Refusal.Conflict("disk.full", "The disk is full.", "Make room."), (_, _) => throw new IOException($"held {second++}")));
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);

        var ended = await daemon.EndOfAsync(await daemon.BeginAsync(type, "a"));

        (ended.State, ended.Error!.Code, first, second).ShouldBe((OperationState.Failed, "operation.undo_failed", 0, TestDaemon.Impatient.UndoTries));
        ended.Error.Detail.ShouldBe("The disk is full; then 'make' could not be undone: held 2");
    }

    [Fact]
    public async Task A_stopping_daemon_leaves_its_operations_to_its_next_run_without_undoing()
    {
        var (gate, next) = (new Gate(), new Gate());
        next.Open();
        var (steps, undone) = (0, 0);
        Scripted Type(Gate g) => new("test.long",
            new HostStep("first", (_, _) => Task.FromResult(steps++), (_, _) => Task.FromResult(undone++)),
            new HostStep("second", (_, ct) => g.PassAsync(ct), (_, _) => Task.FromResult(undone++)));
        var type = Type(gate);
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);
        var begun = await daemon.BeginAsync(type, "a");
        await gate.Entered;

        await daemon.StopAsync();
        var left = await daemon.Operations.FindAsync(begun.Id, default);
        await using var again = await TestDaemon.StartAsync(Database, [Type(next)]);
        var ended = await again.EndOfAsync(begun);

        (left.State, left.Step, ended.State, steps, undone).ShouldBe((OperationState.Running, "second", OperationState.Succeeded, 1, 0));
    }

    [Fact]
    public async Task An_operation_that_was_being_undone_when_its_daemon_crashed_is_undone_to_the_end()
    {
        var gate = new Gate();
        var undone = new List<string>();
        Scripted Type(Func<CancellationToken, Task> undo) => new("test.unwinds",
            new HostStep("first", (_, _) => Task.CompletedTask, (_, _) => Noted("first")),
            new HostStep("second", (_, _) => throw new IOException("no"), async (_, ct) =>
            {
                await undo(ct);
                await Noted("second");
            }));
        Task Noted(string name)
        {
            undone.Add(name);
            return Task.CompletedTask;
        }

        var type = Type(gate.PassAsync);
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);
        var begun = await daemon.BeginAsync(type, "a");
        await gate.Entered;
        await daemon.CrashAsync();
        await using var again = await TestDaemon.StartAsync(Database, [Type(_ => Task.CompletedTask)]);

        (await again.EndOfAsync(begun)).State.ShouldBe(OperationState.Failed);
        undone.ShouldBe(["second", "first"]);
    }

    [Fact]
    public async Task When_a_lease_has_run_out_another_daemon_takes_over_and_the_first_stops()
    {
        var (first, second) = (new Gate(), new Gate());
        await using var one = await TestDaemon.StartAsync(Database, [Gated(first)], options: TestDaemon.Impatient with { RenewEvery = TimeSpan.FromHours(1) });
        var begun = await one.BeginAsync(Gated(first), "a");
        await first.Entered;
        await using var two = await TestDaemon.StartAsync(Database, [Gated(second)], "two");

        for (var entered = second.Entered; !entered.IsCompleted;)
        {
            await one.SqlAsync("update operations set lease_until = now() - interval '1 second' where owner = 'one'");
        }

        first.Open(); // the first one's step ends, but its position is no longer its own to write
        (await one.Runner.Find(begun.Id.Value)!.Completion).ShouldBeNull();
        (await two.Operations.FindAsync(begun.Id, default)).State.ShouldBe(OperationState.Running);
        second.Open();

        (await one.EndOfAsync(begun)).State.ShouldBe(OperationState.Succeeded);
        (await two.QueryAsync<string>("select owner from operations")).ShouldBe("two");
    }

    [Fact]
    public async Task A_daemon_that_finds_a_lease_lost_interrupts_the_step()
    {
        var gate = new Gate();
        await using var one = await TestDaemon.StartAsync(Database, [Gated(gate)]);
        var begun = await one.BeginAsync(Gated(gate), "a");
        await gate.Entered;

        await one.SqlAsync("update operations set owner = 'two', incarnation = gen_random_uuid(), lease_until = now() + interval '1 hour'");

        await gate.Interrupted;
        (await one.Operations.FindAsync(begun.Id, default)).State.ShouldBe(OperationState.Running);
    }

    [Fact]
    public async Task A_lease_that_is_renewed_is_not_taken()
    {
        var gate = new Gate();
        var options = TestDaemon.Impatient with { Lease = TimeSpan.FromSeconds(5) };
        await using var one = await TestDaemon.StartAsync(Database, [Gated(gate)], options: options);
        await using var two = await TestDaemon.StartAsync(Database, [Gated(gate)], "two", options);
        await one.BeginAsync(Gated(gate), "a");
        await gate.Entered;
        var owner = await one.QueryAsync<string>("select owner from operations");

        var before = await one.QueryAsync<DateTime>("select lease_until from operations");
        DateTime after;
        while ((after = await one.QueryAsync<DateTime>("select lease_until from operations")) == before)
        {
        }

        after.ShouldBeGreaterThan(before);
        (await one.QueryAsync<string>("select owner from operations")).ShouldBe(owner);
        gate.Open();
    }

    [Fact]
    public async Task A_database_that_goes_away_in_the_middle_fails_nothing()
    {
        await using var server = new PostgresServer();
        await server.CreateAsync();
        await TestPostgres.ApplySchemaAsync(server.ConnectionString("postgres"));
        var (gate, made) = (new Gate(), 0);
        var type = new Scripted("test.weather",
            new DbStep("reserve", (t, _, _) => t.Connection!.ExecuteAsync("create table made (n int)", transaction: t)),
            new HostStep("make", async (_, ct) =>
            {
                await gate.PassAsync(ct);
                Interlocked.Increment(ref made);
            }, (_, _) => Task.FromResult(made = -1)),
            new DbStep("publish", (t, _, _) => t.Connection!.ExecuteAsync("insert into made values (1)", transaction: t)));
        await using var daemon = await TestDaemon.StartAsync(server.ConnectionString("postgres"), [type]);
        var begun = await daemon.BeginAsync(type, "a");
        await gate.Entered;
        var running = daemon.Runner.Find(begun.Id.Value)!;

        await server.StopAsync();
        gate.Open();
        (await Should.ThrowAsync<Refusal>(daemon.Operations.FindAsync(begun.Id, default))).Code.ShouldBe("database.unavailable");
        await server.StartAsync();

        var ended = await running.Completion.WaitAsync(TestDaemon.Deadline, TimeProvider.System);
        (ended!.State, made).ShouldBe((OperationState.Succeeded, 1));
        (await daemon.QueryAsync<long>("select count(*) from made")).ShouldBe(1);
        (await daemon.EventsAsync(0, 1, EventTypes.OperationFinished)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Connections_that_break_again_and_again_do_nothing_twice()
    {
        var type = new Scripted("test.once", new DbStep("count", (t, _, _) => t.Connection!.ExecuteAsync("update counted set n = n + 1", transaction: t)),
            new HostStep("between", (_, _) => Task.CompletedTask), new DbStep("count again", (t, _, _) => t.Connection!.ExecuteAsync("update counted set n = n + 1", transaction: t)));
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);
        await daemon.SqlAsync("create table counted (n int); insert into counted values (0)");
        await using var breaker = new Npgsql.NpgsqlConnection(Database + ";Pooling=false");
        await breaker.OpenAsync();

        for (var n = 0; n < 20; n++)
        {
            try
            {
                await daemon.BeginAsync(type, $"t{n}");
            }
            catch (Refusal refusal) when (refusal.Code == "database.unavailable")
            {
                // Told so; whether it was begun is then found by asking with the same idempotency key.
            }

            await breaker.ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
        }

        await daemon.StopAsync();
        await using var fresh = await TestDaemon.StartAsync(Database, [type]); // takes up the rest, and what was begun without its caller being told
        var all = (await fresh.Operations.ListAsync(null, null, 100, null, default)).Items;
        foreach (var operation in all)
        {
            (await fresh.EndOfAsync(operation)).State.ShouldBe(OperationState.Succeeded);
        }

        all.Count.ShouldBeGreaterThan(0);
        (await fresh.QueryAsync<int>("select n from counted")).ShouldBe(2 * all.Count);
    }
}
