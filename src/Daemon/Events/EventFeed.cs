using Gantry.Contracts;

namespace Gantry.Daemon.Events;

/// <summary>What a reader gets next.</summary>
/// <param name="Missed">How many events before these are gone for good.</param>
/// <param name="Cursor">Where to read on.</param>
internal sealed record FeedPage(long Missed, IReadOnlyList<Event> Events, long Cursor);

/// <summary>
/// The newest events in memory, older ones from the table. Readers pull, each with its own cursor: a slow one is served
/// from the table, holds up nobody, and is told when what it wants has been removed.
/// </summary>
internal sealed class EventFeed(EventStore store) : IDisposable
{
    private const int Kept = 4_096;
    private const int PageSize = 500;

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _reading = new(1, 1);
    private readonly List<Event> _ring = [];
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _newest = -1;

    /// <summary>The newest number known here; -1 until the table was read.</summary>
    public long Newest => Interlocked.Read(ref _newest);

    public void Dispose() => _reading.Dispose();

    /// <summary>Where a reader begins that has seen all up to <paramref name="since"/>; null for one that wants what comes from now on.</summary>
    /// <exception cref="Refusal"><c>event.since_not_valid</c>, <c>event.since_ahead</c></exception>
    public async Task<long> StartAsync(long? since, CancellationToken ct)
    {
        if (since < 0)
        {
            throw EventErrors.SinceNotValid($"{since}");
        }

        if (Newest < 0 || since > Newest)
        {
            await CatchUpAsync(ct);
        }

        return since is null ? Newest : since <= Newest ? since.Value : throw EventErrors.SinceAhead(since.Value, Newest);
    }

    /// <summary>What follows the cursor; waits for it when there is nothing yet.</summary>
    public async Task<FeedPage> NextAsync(long cursor, CancellationToken ct)
    {
        while (true)
        {
            Task news;
            long newest;
            lock (_lock)
            {
                (news, newest) = (_news.Task, _newest);
                if (cursor < newest && _ring.Count > 0 && _ring[0].Seq <= cursor + 1)
                {
                    var from = (int)(cursor + 1 - _ring[0].Seq);
                    var events = _ring.GetRange(from, Math.Min(PageSize, _ring.Count - from));
                    return new(0, events, events[^1].Seq);
                }
            }

            if (cursor >= newest)
            {
                await news.WaitAsync(ct);
                continue;
            }

            var page = await store.ReadAsync(cursor, PageSize, ct);
            return page is [var first, ..] ? new(first.Seq - cursor - 1, page, page[^1].Seq) : new(newest - cursor, [], newest);
        }
    }

    /// <summary>Takes events that were numbered here; false when others are missing before them.</summary>
    public bool Offer(IReadOnlyList<Event> events)
    {
        TaskCompletionSource news;
        lock (_lock)
        {
            var added = events.SkipWhile(e => e.Seq <= _newest).ToList();
            if (added.Count == 0 || added[0].Seq != _newest + 1 || _newest < 0)
            {
                return added.Count == 0;
            }

            _ring.AddRange(added);
            _newest = added[^1].Seq;
            if (_ring.Count > 2 * Kept)
            {
                _ring.RemoveRange(0, _ring.Count - Kept);
            }

            (news, _news) = (_news, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        news.SetResult();
        return true;
    }

    /// <summary>Reads from the table what other daemons numbered.</summary>
    public async Task CatchUpAsync(CancellationToken ct)
    {
        await _reading.WaitAsync(ct);
        try
        {
            if (Newest < 0)
            {
                var newest = await store.NewestAsync(ct);
                lock (_lock)
                {
                    _newest = newest;
                }
            }

            while (await store.ReadAsync(Newest, PageSize, ct) is { Count: > 0 } page)
            {
                if (!Offer(page))
                {
                    SkipTo(page[0].Seq - 1);
                }
            }
        }
        finally
        {
            _reading.Release();
        }
    }

    /// <summary>After a long absence of the database even the next event may have been removed: readers find the gap in the table.</summary>
    private void SkipTo(long seq)
    {
        lock (_lock)
        {
            if (seq > _newest)
            {
                _ring.Clear();
                _newest = seq;
            }
        }
    }
}
