namespace Gantry.Node.Host;

/// <summary>Lets one call of this process at a time do what is named.</summary>
internal sealed class NamedLocks
{
    private readonly Dictionary<string, (SemaphoreSlim Turn, int Users)> _all = [];

    /// <summary>Waits for the turn of each; always in the same order, so that no two wait for each other.</summary>
    public async Task<Held> HoldAsync(CancellationToken ct, params IEnumerable<string> names)
    {
        var held = new Held(this);
        try
        {
            foreach (var name in names.Distinct().Order(StringComparer.Ordinal))
            {
                var turn = Enter(name);
                try
                {
                    await turn.WaitAsync(ct);
                }
                catch
                {
                    Leave(name);
                    throw;
                }

                held.Names.Add(name);
            }

            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    private SemaphoreSlim Enter(string name)
    {
        lock (_all)
        {
            var (turn, users) = _all.TryGetValue(name, out var known) ? known : (new(1), 0);
            _all[name] = (turn, users + 1);
            return turn;
        }
    }

    private void Leave(string name)
    {
        lock (_all)
        {
            var (turn, users) = _all[name];
            if (users == 1)
            {
                _all.Remove(name);
                turn.Dispose();
            }
            else
            {
                _all[name] = (turn, users - 1);
            }
        }
    }

    public sealed class Held(NamedLocks locks) : IDisposable
    {
        internal List<string> Names { get; } = [];

        public void Dispose()
        {
            foreach (var name in Names)
            {
                lock (locks._all)
                {
                    locks._all[name].Turn.Release();
                }

                locks.Leave(name);
            }

            Names.Clear();
        }
    }
}
