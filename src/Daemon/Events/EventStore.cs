using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Events;

/// <summary>The SQL of the numbered events.</summary>
internal sealed class EventStore(Db db)
{
    public const string Channel = "gantry_events";

    /// <summary>
    /// Numbers up to <paramref name="limit"/> committed events in one short transaction that holds the counter, so several daemons may do it
    /// at once. Says which, and the newest number of all; notifies the other daemons when that is above <paramref name="known"/>.
    /// </summary>
    public Task<(IReadOnlyList<Event> Numbered, long Newest)> NumberAsync(int limit, long known, CancellationToken ct) => db.WithAsync(async c =>
    {
        // Three statements, each with a snapshot of its own: the second sees all that was committed before the lock was had.
        await using var results = await c.QueryMultipleAsync(new(
            """
            select seq from event_counter for update;

            with taken as (
                delete from event_pending where id in (select id from event_pending order by id limit @Limit) returning *),
            counted as (
                update event_counter set seq = seq + (select count(*) from taken) where exists (select from taken))
            insert into events (seq, time, type, subject, actor, request_id, data)
            select (select seq from event_counter) + row_number() over (order by id), time, type, subject, actor, request_id, data from taken
            returning seq, time, type, subject, actor, request_id as RequestId, data;

            select seq, case when seq > @Known then pg_notify('gantry_events', seq::text)::text end from event_counter;
            """,
            new { Limit = limit, Known = known }, cancellationToken: ct));
        await results.ReadSingleAsync<long>();
        var numbered = (await results.ReadAsync<EventRow>()).OrderBy(e => e.Seq).Select(e => e.ToEvent()).ToList();
        return ((IReadOnlyList<Event>)numbered, await results.ReadSingleAsync<long>());
    }, ct);

    public Task<long> NewestAsync(CancellationToken ct) => db.WithAsync(c => c.ExecuteScalarAsync<long>(new(
        "select seq from event_counter", cancellationToken: ct)), ct);

    public Task<IReadOnlyList<Event>> ReadAsync(long since, int limit, CancellationToken ct) => db.WithAsync(async c => (IReadOnlyList<Event>)(
        await c.QueryAsync<EventRow>(new(
            """
            select seq, time, type, subject, actor, request_id as RequestId, data
            from events where seq > @Since order by seq limit @Limit
            """,
            new { Since = since, Limit = limit }, cancellationToken: ct))).Select(e => e.ToEvent()).ToList(), ct);

    /// <summary>Removes up to <paramref name="limit"/> of the oldest, none younger than <paramref name="keep"/>: what stays has no holes.</summary>
    public Task<int> RemoveOldAsync(TimeSpan keep, int limit, CancellationToken ct) => db.WithAsync(c => c.ExecuteAsync(new(
        """
        delete from events where seq in (
            select seq from (
                select seq, bool_and(time < now() - @Keep) over (order by seq) as old
                from (select seq, time from events order by seq limit @Limit) as oldest) as aged
            where old)
        """,
        new { Keep = keep, Limit = limit }, cancellationToken: ct)), ct);

    private sealed record EventRow(long Seq, DateTime Time, string Type, string Subject, string Actor, string? RequestId, string? Data)
    {
        public Event ToEvent() =>
            new(Seq, Time, Type[..Type.IndexOf('.', StringComparison.Ordinal)], Type, Subject, Actor, RequestId, Data is null ? null : JsonElement.Parse(Data));
    }
}
