using System.Text.Json;
using Gantry.Contracts;
using Npgsql;

namespace Gantry.Daemon.Operations;

/// <summary>
/// One kind of slow change, written as a table of steps with each undo beside its step. Derive <see cref="OperationType{TInput}"/>,
/// register it in GantryDaemon.cs, and the conformance suite demands a rig for it.
/// </summary>
internal abstract class OperationType
{
    /// <summary><c>instance.start</c> and the like: stored, never renamed.</summary>
    public abstract string Kind { get; }

    /// <summary>The table for an operation as it lies in the database; the same rows whenever it is asked again.</summary>
    internal abstract IReadOnlyList<Step> StepsOf(JsonElement input);
}

/// <typeparam name="TInput">All the steps need, as JSON in the row: ids, names, what was asked for. Never a secret.</typeparam>
internal abstract class OperationType<TInput> : OperationType
{
    public abstract IReadOnlyList<Step> Steps(TInput input);

    internal sealed override IReadOnlyList<Step> StepsOf(JsonElement input) =>
        Steps(input.Deserialize<TInput>(OperationJson.Options) ?? throw new InvalidOperationException($"{Kind} has no input."));
}

/// <summary>Every kind the daemon knows, by its stored name.</summary>
internal sealed class OperationTypes(IEnumerable<OperationType> types)
{
    private readonly Dictionary<string, OperationType> _types = types.ToDictionary(t => t.Kind);

    public IReadOnlyCollection<string> Kinds => _types.Keys;

    /// <param name="row">With its input.</param>
    public IReadOnlyList<Step> StepsOf(OperationRow row)
    {
        using var input = JsonDocument.Parse(row.Input ?? throw new InvalidOperationException($"{row.Kind} {row.Id} was read without its input."));
        return _types[row.Kind].StepsOf(input.RootElement);
    }
}

internal static class OperationJson
{
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        Converters = { new System.Text.Json.Serialization.JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    public static string? Text(Progress? progress) => progress is null ? null : JsonSerializer.Serialize(progress, WireJson.Default.Progress);

    public static string? Text(Problem? problem) => problem is null ? null : JsonSerializer.Serialize(problem, WireJson.Default.Problem);
}

/// <summary>A row of the table. Names are for people and are shown as the operation's stage.</summary>
internal abstract record Step(string Name);

/// <summary>
/// Work outside the database, or that does not fit one transaction. Both halves may run again after a crash and must
/// then change nothing that is already so; the undo also runs when the step had only begun.
/// </summary>
/// <param name="Undo">Null where there is nothing to take back.</param>
internal sealed record HostStep(
    string Name, Func<StepContext, CancellationToken, Task> Do, Func<StepContext, CancellationToken, Task>? Undo = null) : Step(Name)
{
    /// <summary>
    /// From this step on there is no way back: when it fails it is tried again, later and later, until it works;
    /// a cancel is refused. For removals, whose half cannot be undone.
    /// </summary>
    public bool OnlyForward { get; init; }
}

/// <summary>
/// A change of the database and the operation's position in one transaction: it happens exactly once, whatever crashes.
/// Undo likewise. Emits its events in that transaction.
/// </summary>
internal sealed record DbStep(
    string Name, Func<NpgsqlTransaction, StepContext, CancellationToken, Task> Do, Func<NpgsqlTransaction, StepContext, CancellationToken, Task>? Undo = null) : Step(Name);

/// <summary>What a step may know and say while it runs.</summary>
internal abstract class StepContext
{
    /// <summary>Who asked and under which request: events that a step emits carry both.</summary>
    public abstract Operation Operation { get; }

    /// <summary>Shown to whoever watches; kept at most once a second, so it may be called as often as one likes.</summary>
    public abstract void Report(Progress progress);

    /// <summary>A line of the operation's log, kept with the next write of its position.</summary>
    public abstract void Log(string text);

    /// <summary>What the operation answers with when it succeeds; kept with the next write of its position.</summary>
    public abstract void SetResult<T>(T result);
}
