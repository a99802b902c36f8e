using System.Collections.Concurrent;
using System.Diagnostics;

namespace Gantry.Bench;

/// <summary>Many clients that ask the same thing, a bounded number of times.</summary>
internal static class Load
{
    /// <summary>Each client asks as soon as it has its answer: what the server can give at most.</summary>
    /// <returns>The milliseconds of each request, and how many a second were answered.</returns>
    public static Task<(IReadOnlyList<double> Milliseconds, double PerSecond)> SaturatedAsync(int clients, int requestsEach, Func<Task> ask) =>
        MeasureAsync(clients, requestsEach, TimeSpan.Zero, ask);

    /// <summary>Each client asks every <paramref name="interval"/>, as people and dashboards do. A late answer does not slow the next
    /// request down: its time counts from when it was due, so a stall of the server is seen whole.</summary>
    public static Task<(IReadOnlyList<double> Milliseconds, double PerSecond)> PacedAsync(int clients, int requestsEach, TimeSpan interval, Func<Task> ask) =>
        MeasureAsync(clients, requestsEach, interval, ask);

    private static async Task<(IReadOnlyList<double>, double)> MeasureAsync(int clients, int requestsEach, TimeSpan interval, Func<Task> ask)
    {
        var taken = new ConcurrentBag<double>();
        var from = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(async () =>
        {
            for (var i = 0; i < requestsEach; i++)
            {
                var begun = Stopwatch.GetElapsedTime(from);
                if (interval > TimeSpan.Zero)
                {
                    var due = (interval * i) + (interval * client / clients);
                    if (due > begun)
                    {
                        await Task.Delay(due - begun, TimeProvider.System);
                    }

                    // Timers are late by up to a millisecond, which is not the server's: only a request begun late because the one before was slow counts from when it was due.
                    begun = due > begun ? Stopwatch.GetElapsedTime(from) : due;
                }

                await ask();
                taken.Add((Stopwatch.GetElapsedTime(from) - begun).TotalMilliseconds);
            }
        })));
        return ([.. taken], clients * requestsEach / Stopwatch.GetElapsedTime(from).TotalSeconds);
    }
}
