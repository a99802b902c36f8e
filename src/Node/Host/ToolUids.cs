using Gantry.Contracts;

namespace Gantry.Node.Host;

/// <summary>Lends a user id to each confined tool for as long as it runs, so that two of them cannot touch each other.</summary>
public sealed class ToolUids(UidRange range)
{
    private readonly HashSet<int> _lent = [];

    /// <exception cref="Refusal"><c>node.busy</c></exception>
    public Loan Borrow()
    {
        lock (_lent)
        {
            var taken = _lent.Concat(HostUsers.WithProcesses()).ToHashSet();
            var uid = Enumerable.Range(range.FirstTool, range.Tools).Cast<int?>().FirstOrDefault(u => !taken.Contains(u!.Value))
                ?? throw Refusal.Unavailable("node.busy", $"{range.Tools} images are being worked on already.", "Try again when one is done: `gantry operation list`.");
            _lent.Add(uid);
            return new(this, uid);
        }
    }

    public sealed class Loan(ToolUids from, int uid) : IDisposable
    {
        public int Uid => uid;

        public void Dispose()
        {
            lock (from._lent)
            {
                from._lent.Remove(uid);
            }
        }
    }
}
