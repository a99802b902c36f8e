using Gantry.Contracts;

namespace Gantry.Node.Host;

/// <summary>Lends a user id to each confined tool for as long as it runs, so that two of them cannot touch each other.</summary>
public sealed class ToolUids(UidRange range)
{
    private readonly HashSet<int> _lent = [];

    /// <summary>
    /// The group of files on a file system that keeps no owners of its own, so that they cannot be lent one by one: whoever works on one of them may
    /// be at all of them. No tool has it as its own.
    /// </summary>
    public int SharedGid => range.FirstTool;

    /// <exception cref="Refusal"><c>node.busy</c></exception>
    public Loan Borrow()
    {
        lock (_lent)
        {
            var taken = _lent.Concat(HostUsers.WithProcesses()).ToHashSet();
            var uid = Enumerable.Range(range.FirstTool + 1, range.Tools - 1).Cast<int?>().FirstOrDefault(u => !taken.Contains(u!.Value))
                ?? throw Refusal.Unavailable("node.busy", $"{range.Tools - 1} images are being worked on already.", "Try again when one is done: `gantry operation list`.");
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
