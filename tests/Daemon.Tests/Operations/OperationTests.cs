using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Operations;

public sealed class OperationTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private static Scripted Quick(string kind = "test.quick") => new(kind, new HostStep("work", (_, _) => Task.CompletedTask));

    private static Scripted Gated(Gate gate, string kind = "test.gated") => new(kind, new HostStep("wait", (_, ct) => gate.PassAsync(ct)));

    [Fact]
    public async Task An_operation_ends_with_its_result_and_its_log()
    {
        var type = new Scripted("test.speaks", new HostStep("speak", (step, _) =>
        {
            step.Log("first");
            step.Log("second");
            step.Report(new("half", 50));
            step.SetResult(new { Answer = 42 });
            return Task.CompletedTask;
        }));
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);

        var ended = await daemon.EndOfAsync(await daemon.BeginAsync(type, "a"));

        ended.State.ShouldBe(OperationState.Succeeded);
        ended.Result!.Value.GetProperty("answer").GetInt32().ShouldBe(42);
        ended.Progress!.Percent.ShouldBe(50);
        (ended.CreatedBy, ended.RequestId, ended.Step).ShouldBe(("ann", "request-1", "speak"));
        (await daemon.Operations.LogAsync(ended.Id, default)).Items.Select(l => l.Text).ShouldBe(["first", "second"]);
        (await daemon.Operations.FindAsync(ended.Id, default)).FinishedAt.ShouldBe(ended.FinishedAt);
    }

    [Fact]
    public async Task A_busy_target_refuses_a_second_operation_and_names_the_first()
    {
        var gate = new Gate();
        var type = Gated(gate);
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);
        var first = await daemon.BeginAsync(type, "a");

        var refusal = await Should.ThrowAsync<Refusal>(daemon.BeginAsync(type, "a"));

        (refusal.Code, refusal.Status, refusal.Operation).ShouldBe(("operation.target_busy", 423, first.Id));
        gate.Open();
        await daemon.EndOfAsync(first);
        (await daemon.EndOfAsync(await daemon.BeginAsync(type, "a"))).State.ShouldBe(OperationState.Succeeded);
    }

    [Fact]
    public async Task Queued_operations_of_a_target_run_in_the_order_they_were_asked_for()
    {
        var gate = new Gate();
        var order = new List<string>();
        var blocking = Gated(gate);
        var types = Enumerable.Range(0, 5).Select(n => new Scripted($"test.q{n}", new HostStep("note", (step, _) =>
        {
            lock (order)
            {
                order.Add(step.Operation.Kind);
            }

            return Task.CompletedTask;
        }))).ToArray();
        await using var daemon = await TestDaemon.StartAsync(Database, [blocking, .. types]);
        await daemon.BeginAsync(blocking, "a");
        var queued = new List<Operation>();
        foreach (var type in types)
        {
            queued.Add(await daemon.BeginAsync(type, "a", new(Queue: true)));
        }

        queued.ShouldAllBe(o => o.State == OperationState.Queued);
        await gate.Entered;
        gate.Open();
        await daemon.EndOfAsync(queued[^1]);

        order.ShouldBe(types.Select(t => t.Kind));
    }

    [Fact]
    public async Task A_newcomer_that_does_not_queue_is_refused_while_others_queue()
    {
        var gate = new Gate();
        var (type, quick) = (Gated(gate), Quick());
        var full = TestDaemon.Impatient with { Concurrency = 1 };
        await using var daemon = await TestDaemon.StartAsync(Database, [type, quick], options: full);
        await daemon.BeginAsync(type, "elsewhere");
        await daemon.BeginAsync(quick, "a");

        (await Should.ThrowAsync<Refusal>(daemon.BeginAsync(quick, "a"))).Code.ShouldBe("operation.target_busy");
        gate.Open();
    }

    [Fact]
    public async Task More_than_may_run_at_once_are_queued_and_all_end()
    {
        var type = Quick();
        await using var daemon = await TestDaemon.StartAsync(Database, [type], options: TestDaemon.Impatient with { Concurrency = 2 });

        var all = await Task.WhenAll(Enumerable.Range(0, 40).Select(n => daemon.BeginAsync(type, $"t{n}")));

        foreach (var operation in all)
        {
            (await daemon.EndOfAsync(operation)).State.ShouldBe(OperationState.Succeeded);
        }
    }

    [Fact]
    public async Task Of_many_at_once_on_one_target_exactly_one_runs()
    {
        var gate = new Gate();
        var type = Gated(gate);
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);

        var codes = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            try
            {
                await daemon.BeginAsync(type, "a");
                return "begun";
            }
            catch (Refusal refusal)
            {
                return refusal.Code;
            }
        }));

        codes.Count(c => c == "begun").ShouldBe(1);
        codes.Count(c => c == "operation.target_busy").ShouldBe(19);
        gate.Open();
    }

    [Fact]
    public async Task The_same_idempotency_key_gives_the_same_operation_again_even_when_it_ended()
    {
        var type = Quick();
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);
        var options = new BeginOptions(IdempotencyKey: "key", RequestHash: "hash");

        var begun = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => daemon.BeginAsync(type, "a", options)));
        await daemon.EndOfAsync(begun[0]);
        var again = await daemon.BeginAsync(type, "b", options);

        begun.Select(o => o.Id).Append(again.Id).Distinct().Count().ShouldBe(1);
        (await daemon.BeginAsync(type, "a", options, caller: "bob")).Id.ShouldNotBe(again.Id);
    }

    [Fact]
    public async Task An_idempotency_key_is_not_taken_for_another_request()
    {
        var type = Quick();
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);
        var first = await daemon.BeginAsync(type, "a", new(IdempotencyKey: "key", RequestHash: "hash"));

        var refusal = await Should.ThrowAsync<Refusal>(daemon.BeginAsync(type, "b", new(IdempotencyKey: "key", RequestHash: "other")));

        (refusal.Code, refusal.Status, refusal.Operation).ShouldBe(("operation.idempotency_key_reused", 422, first.Id));
    }

    [Fact]
    public async Task A_list_is_newest_first_and_goes_on_at_its_cursor()
    {
        var type = Quick();
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);
        var begun = new List<Id<Operation>>();
        for (var n = 0; n < 5; n++)
        {
            begun.Add((await daemon.EndOfAsync(await daemon.BeginAsync(type, $"t{n}"))).Id);
        }

        var first = await daemon.Operations.ListAsync(OperationState.Succeeded, null, 3, null, default);
        var rest = await daemon.Operations.ListAsync(OperationState.Succeeded, null, 3, first.NextCursor, default);

        first.Items.Concat(rest.Items).Select(o => o.Id).ShouldBe(begun.AsEnumerable().Reverse());
        rest.NextCursor.ShouldBeNull();
        (await daemon.Operations.ListAsync(null, "things/t2", 3, null, default)).Items.ShouldHaveSingleItem().Id.ShouldBe(begun[2]);
        (await daemon.Operations.ListAsync(OperationState.Running, null, 3, null, default)).Items.ShouldBeEmpty();
        (await Should.ThrowAsync<Refusal>(daemon.Operations.ListAsync(null, null, 3, "nonsense", default))).Code.ShouldBe("request.cursor_not_valid");
    }

    [Fact]
    public async Task Waiting_ends_with_the_operation_also_when_another_daemon_runs_it()
    {
        var gate = new Gate();
        var type = Gated(gate);
        await using var one = await TestDaemon.StartAsync(Database, [type]);
        await using var two = await TestDaemon.StartAsync(Database, [type], "two");
        var begun = await one.BeginAsync(type, "a");
        await gate.Entered;

        (await two.Operations.WaitAsync(begun.Id, TimeSpan.Zero, default)).State.ShouldBe(OperationState.Running);
        gate.Open();

        (await two.EndOfAsync(begun)).State.ShouldBe(OperationState.Succeeded);
    }

    [Fact]
    public async Task Creation_progress_and_end_are_told_as_events()
    {
        var gate = new Gate();
        var type = new Scripted("test.told", new HostStep("work", async (step, ct) =>
        {
            step.Report(new("working", 10));
            await gate.PassAsync(ct);
        }));
        await using var daemon = await TestDaemon.StartAsync(Database, [type]);

        var begun = await daemon.BeginAsync(type, "a");
        var progressed = await daemon.EventsAsync(0, 2);
        gate.Open();
        var finished = await daemon.EventsAsync(progressed[^1].Seq, 1, EventTypes.OperationFinished);

        progressed.Select(e => e.Type).ShouldBe([EventTypes.OperationCreated, EventTypes.OperationProgressed]);
        progressed.Concat(finished).ShouldAllBe(e => e.Subject == $"operations/{begun.Id}" && e.Actor == "ann" && e.RequestId == "request-1");
        progressed[1].Data!.Value.GetProperty("progress").GetProperty("percent").GetDouble().ShouldBe(10);
        finished[0].Data!.Value.GetProperty("state").GetString().ShouldBe("succeeded");
    }

    [Fact]
    public async Task What_ended_long_ago_is_removed_with_its_log_and_what_runs_is_kept()
    {
        var gate = new Gate();
        var (gated, quick) = (Gated(gate), new Scripted("test.logs", new HostStep("log", (step, _) =>
        {
            step.Log("line");
            return Task.CompletedTask;
        })));
        await using var daemon = await TestDaemon.StartAsync(Database, [gated, quick]);
        var running = await daemon.BeginAsync(gated, "a");
        var old = await daemon.EndOfAsync(await daemon.BeginAsync(quick, "b"));
        var young = await daemon.EndOfAsync(await daemon.BeginAsync(quick, "b"));
        await daemon.SqlAsync("update operations set finished_at = finished_at - interval '40 days' where id = @Id", new { Id = old.Id.Value });
        using var worker = new RetentionWorker(daemon.Store, daemon.EventStore, Retention.Default, TimeProvider.System,
            Microsoft.Extensions.Logging.Abstractions.NullLogger<RetentionWorker>.Instance);

        await worker.SweepAsync(default);

        (await Should.ThrowAsync<Refusal>(daemon.Operations.FindAsync(old.Id, default))).Code.ShouldBe("operation.not_found");
        (await daemon.QueryAsync<long>("select count(*) from operation_log")).ShouldBe(1);
        (await daemon.Operations.FindAsync(young.Id, default)).State.ShouldBe(OperationState.Succeeded);
        (await daemon.Operations.FindAsync(running.Id, default)).State.ShouldBe(OperationState.Running);
        gate.Open();
    }
}
