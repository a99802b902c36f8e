using Gantry.Contracts;

namespace Gantry.Daemon.Pools;

internal static class PoolErrors
{
    public static Refusal Unknown(string name) => Refusal.NotFound("pool.unknown", $"There is no pool '{name}'.", "`gantry pool list` shows those there are.");

    public static Refusal NameTaken(string name) => Refusal.Conflict("pool.name_taken", $"There is a pool '{name}' already.", "Choose another name.");

    public static Refusal SourceTaken(string source, string pool) => Refusal.Conflict("pool.source_taken", $"'{source}' is the pool '{pool}' already.", "Choose another place, or use that pool.");

    public static Refusal NotReady(string name) => Refusal.Conflict("pool.not_ready", $"The pool '{name}' is not ready: it is being made or deleted.", "`gantry operation list` shows how far it is.");

    public static Refusal AlwaysThere(string name) => Refusal.Conflict("pool.always_there", $"The pool '{name}' is part of the node.", "Only pools that were created can be deleted.");

    public static Refusal InUse(string name, IReadOnlyList<string> instances, int count) => Refusal.Conflict(
        "pool.in_use", $"The pool '{name}' has volumes of {string.Join(", ", instances)}{(count > instances.Count ? $" and {count - instances.Count} more" : "")}.",
        "Remove these volumes, or delete these instances, first.");
}
