using Gantry.Node.Host;

namespace Gantry.Node.Tests.Pools;

/// <summary>Ends a call at a chosen one of the points it passes, as a crash there would.</summary>
internal sealed class Faults
{
    private int? _left;

    /// <summary>The point was reached.</summary>
    public bool Happened { get; private set; }

    public void Arm(int after) => (_left, Happened) = (after, false);

    public void Disarm() => _left = null;

    public void Pass()
    {
        if (_left is { } left)
        {
            _left = left - 1;
            if (left <= 0)
            {
                Happened = true;
                throw new CrashException();
            }
        }
    }

    /// <summary>Before each command and after it is such a point.</summary>
    public IShell Around(IShell shell) => new Faulty(shell, this);

    internal sealed class CrashException : Exception;

    private sealed class Faulty(IShell shell, Faults faults) : IShell
    {
        public async Task<CommandResult> RunAsync(Command command, CancellationToken ct)
        {
            faults.Pass();
            var result = await shell.RunAsync(command, ct);
            faults.Pass();
            return result;
        }
    }
}
