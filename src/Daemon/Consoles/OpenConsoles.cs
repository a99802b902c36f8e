using Gantry.Contracts;

namespace Gantry.Daemon.Consoles;

/// <summary>The consoles that are open now, so many for each instance.</summary>
internal sealed class OpenConsoles(TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly List<OpenedConsole> _open = [];

    public IReadOnlyList<ConsoleInfo> Of(Id<Instance> instance)
    {
        lock (_lock)
        {
            return [.. _open.Where(console => console.Grant.Instance == instance).Select(console => console.Info)];
        }
    }

    /// <exception cref="Refusal"><c>console.too_many</c></exception>
    public void DemandRoom(Id<Instance> instance, string name)
    {
        lock (_lock)
        {
            if (_open.Count(console => console.Grant.Instance == instance) >= Limits.ConsolesPerInstance)
            {
                throw ConsoleErrors.TooMany(name);
            }
        }
    }

    /// <summary>Counts one; disposing of it makes room again.</summary>
    /// <exception cref="Refusal"><c>console.too_many</c></exception>
    public OpenedConsole Enter(ConsoleGrant grant)
    {
        var console = new OpenedConsole(grant, time.GetUtcNow(), Leave);
        lock (_lock)
        {
            DemandRoom(grant.Instance, grant.Name);
            _open.Add(console);
        }

        return console;
    }

    private void Leave(OpenedConsole console)
    {
        lock (_lock)
        {
            _open.Remove(console);
        }
    }
}

internal sealed class OpenedConsole(ConsoleGrant grant, DateTimeOffset openedAt, Action<OpenedConsole> leave) : IDisposable
{
    private volatile ConsoleSize? _size;

    public Id<ConsoleInfo> Id { get; } = Id<ConsoleInfo>.New();

    public ConsoleGrant Grant => grant;

    public ConsoleInfo Info => new(Id, grant.Kind, grant.ViewOnly, grant.Caller, openedAt, _size);

    public void Resize(ConsoleSize size) => _size = size;

    public void Dispose() => leave(this);
}
