using Gantry.Contracts;

namespace Gantry.Daemon.Pools;

internal static class PoolErrors
{
    public static Refusal Unknown(string name) => Refusal.NotFound("pool.unknown", $"There is no pool '{name}'.", "`gantry pool list` shows those there are.");

    public static Refusal NameTaken(string name) => Refusal.Conflict("pool.name_taken", $"There is a pool '{name}' already.", "Choose another name.");

    public static Refusal SourceTaken(string source, string pool) => Refusal.Conflict("pool.source_taken", $"'{source}' is the pool '{pool}' already.", "Choose another place, or use that pool.");

    public static Refusal NotReady(string name) => Refusal.Conflict("pool.not_ready", $"The pool '{name}' is not ready: it is being made or deleted.", "`gantry operation list` shows how far it is.");

    public static Refusal AlwaysThere(string name) => Refusal.Conflict("pool.always_there", $"The pool '{name}' is part of the node.", "Only pools that were created can be deleted.");

    /// <param name="users">Instances with volumes in it; some of them.</param>
    /// <param name="volumes">Volumes in it that belong to none; some of them.</param>
    public static Refusal InUse(string name, (IReadOnlyList<string> Names, int Count) users, (IReadOnlyList<string> Names, int Count) volumes)
    {
        string?[] has =
        [
            users.Count > 0 ? $"volumes of {Named(users)}" : null,
            volumes.Count > 1 ? $"volumes that belong to none ({Named(volumes)})" : volumes.Count == 1 ? $"a volume that belongs to none ({Named(volumes)})" : null,
        ];
        return Refusal.Conflict(
            "pool.in_use", $"The pool '{name}' has {string.Join(" and ", has.OfType<string>())}.",
            users.Count > 0 ? "Remove these volumes, or delete these instances, first." : "Attach or delete what is in it first (`gantry volume delete`).");
    }

    private static string Named((IReadOnlyList<string> Names, int Count) all) =>
        $"{string.Join(", ", all.Names)}{(all.Count > all.Names.Count ? $" and {all.Count - all.Names.Count} more" : "")}";
}
