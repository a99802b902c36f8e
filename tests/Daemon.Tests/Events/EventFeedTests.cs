using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Gantry.Daemon.Tests.Events;

public sealed class EventFeedTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private static Task TellAsync(TestDaemon daemon, string subject) => daemon.Db.InTransactionAsync(
        t => daemon.Log.AppendAsync(t, EventTypes.InstanceStarted, subject, "ann", null), default);

    [Fact]
    public async Task An_event_whose_transaction_commits_late_is_numbered_late_so_no_reader_skips_it()
    {
        await using var daemon = await TestDaemon.StartAsync(Database, []);
        await using var connection = await daemon.Db.OpenAsync(default);
        await using var slow = await connection.BeginTransactionAsync();
        await daemon.Log.AppendAsync(slow, EventTypes.InstanceStarted, "instances/slow", "ann", null, new { Cause = "test" });

        await TellAsync(daemon, "instances/quick");
        var seen = await daemon.EventsAsync(0, 1);
        await slow.CommitAsync();
        await TellAsync(daemon, "instances/last");
        var rest = await daemon.EventsAsync(seen[^1].Seq, 2);

        seen.Select(e => (e.Seq, e.Subject)).ShouldBe([(1, "instances/quick")]);
        rest.Select(e => (e.Seq, e.Subject)).ShouldBe([(2, "instances/slow"), (3, "instances/last")]);
        (rest[0].Topic, rest[0].Data!.Value.GetProperty("cause").GetString()).ShouldBe(("instance", "test"));
    }

    [Fact]
    public async Task An_event_of_a_change_that_was_rolled_back_never_happened()
    {
        await using var daemon = await TestDaemon.StartAsync(Database, []);
        await Should.ThrowAsync<InvalidOperationException>(daemon.Db.InTransactionAsync(async t =>
        {
            await daemon.Log.AppendAsync(t, EventTypes.InstanceStarted, "instances/never", "ann", null);
            throw new InvalidOperationException();
        }, default));
        await TellAsync(daemon, "instances/real");

        (await daemon.EventsAsync(0, 1)).ShouldHaveSingleItem().Seq.ShouldBe(1);
    }

    [Fact]
    public async Task Several_daemons_number_at_once_without_holes_and_all_readers_see_the_same()
    {
        await using var one = await TestDaemon.StartAsync(Database, []);
        await using var two = await TestDaemon.StartAsync(Database, [], "two");

        await Task.WhenAll(Enumerable.Range(0, 300).Select(n => TellAsync(n % 2 == 0 ? one : two, $"instances/{n}")));
        var (first, second) = (await one.EventsAsync(0, 300), await two.EventsAsync(0, 300));

        first.Select(e => e.Seq).ShouldBe(Enumerable.Range(1, 300).Select(n => (long)n));
        second.Select(e => (e.Seq, e.Subject)).ShouldBe(first.Select(e => (e.Seq, e.Subject)));
        first.Select(e => e.Subject).Distinct().Count().ShouldBe(300);
    }

    [Fact]
    public async Task A_reader_that_comes_later_than_memory_reaches_reads_from_the_table_and_misses_nothing()
    {
        await using var daemon = await TestDaemon.StartAsync(Database, []);
        await daemon.SqlAsync("insert into event_pending (type, subject, actor) select 'instance.started', 'instances/' || n, 'ann' from generate_series(1, 12000) n");
        await TellAsync(daemon, "instances/last");
        var all = await daemon.EventsAsync(11_990, 11); // the newest are in memory, and the oldest no longer

        all[^1].Subject.ShouldBe("instances/last");
        (await daemon.EventsAsync(0, 12_001)).Select(e => e.Seq).ShouldBe(Enumerable.Range(1, 12_001).Select(n => (long)n));
    }

    [Fact]
    public async Task A_reader_whose_place_was_removed_is_told_how_many_it_missed()
    {
        await using var daemon = await TestDaemon.StartAsync(Database, []);
        for (var n = 0; n < 5; n++)
        {
            await TellAsync(daemon, $"instances/{n}");
        }

        await daemon.EventsAsync(0, 5);
        await daemon.SqlAsync("update events set time = now() - interval '40 days' where seq in (1, 2, 3)");
        using var worker = new RetentionWorker(daemon.Store, daemon.EventStore, Retention.Default, TimeProvider.System, NullLogger<RetentionWorker>.Instance);
        await worker.SweepAsync(default);
        await using var restarted = await TestDaemon.StartAsync(Database, []); // its memory does not have them either
        await restarted.Feed.StartAsync(null, default);

        var page = await restarted.Feed.NextAsync(1, default);

        (page.Missed, page.Cursor).ShouldBe((2, 5));
        page.Events.Select(e => e.Seq).ShouldBe([4, 5]);
    }

    [Fact]
    public async Task When_all_were_removed_the_gap_reaches_to_the_newest()
    {
        await using var daemon = await TestDaemon.StartAsync(Database, []);
        await TellAsync(daemon, "instances/a");
        await daemon.EventsAsync(0, 1);
        await daemon.SqlAsync("delete from events");
        await using var restarted = await TestDaemon.StartAsync(Database, []);
        await restarted.Feed.StartAsync(null, default);

        var page = await restarted.Feed.NextAsync(0, default);

        (page.Missed, page.Events.Count, page.Cursor).ShouldBe((1, 0, 1));
        await TellAsync(restarted, "instances/b");
        (await restarted.EventsAsync(1, 1)).ShouldHaveSingleItem().Seq.ShouldBe(2);
    }

    [Fact]
    public async Task A_place_ahead_of_the_newest_event_is_refused()
    {
        await using var daemon = await TestDaemon.StartAsync(Database, []);

        var refusal = await Should.ThrowAsync<Refusal>(daemon.Feed.StartAsync(7, default));

        (refusal.Code, refusal.Status).ShouldBe(("event.since_ahead", 422));
    }

    [Fact]
    public async Task Events_flow_again_after_every_connection_was_broken()
    {
        await using var daemon = await TestDaemon.StartAsync(Database, []);
        await TellAsync(daemon, "instances/before");
        await daemon.EventsAsync(0, 1);
        await using var breaker = new NpgsqlConnection(Database + ";Pooling=false");
        await breaker.OpenAsync();
        await breaker.ExecuteAsync("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");

        await breaker.ExecuteAsync("insert into event_pending (type, subject, actor) values ('instance.started', 'instances/after', 'ann')");

        (await daemon.EventsAsync(1, 1)).ShouldHaveSingleItem().Subject.ShouldBe("instances/after");
    }
}
