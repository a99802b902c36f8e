using System.Collections.Concurrent;

namespace Gantry.Daemon.Instances;

/// <summary>
/// Pages of the list as they were last written, kept while nothing changes: dashboards and scripts ask for the same page
/// again and again. A page is only kept when no change was under way from before it was read until after, so nobody
/// is shown what was before their own change.
/// </summary>
internal sealed class InstancePages
{
    private const int MostPages = 64;
    private const int LargestPage = 4 << 20;

    private readonly ConcurrentDictionary<string, (long Generation, ReadOnlyMemory<byte> Json)> _pages = new();
    private long _generation;
    private int _changing;

    /// <summary>Says that a change is under way; the answer is called when it is committed or rolled back.</summary>
    public Action BeginChange()
    {
        Interlocked.Increment(ref _changing);
        Interlocked.Increment(ref _generation);
        return () =>
        {
            Interlocked.Increment(ref _generation);
            Interlocked.Decrement(ref _changing);
        };
    }

    /// <summary>For changes by another daemon on the same database, once they are heard of.</summary>
    public void Forget() => Interlocked.Increment(ref _generation);

    public async Task<ReadOnlyMemory<byte>> GetAsync(string query, Func<Task<ReadOnlyMemory<byte>>> read)
    {
        var before = Interlocked.Read(ref _generation);
        var quiet = Volatile.Read(ref _changing) == 0;
        if (quiet && _pages.TryGetValue(query, out var kept) && kept.Generation == before)
        {
            return kept.Json;
        }

        var json = await read();
        if (quiet && json.Length <= LargestPage && Interlocked.Read(ref _generation) == before)
        {
            if (_pages.Count >= MostPages)
            {
                _pages.Clear();
            }

            _pages[query] = (before, json);
        }

        return json;
    }
}
