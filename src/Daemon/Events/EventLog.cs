using Npgsql;

namespace Gantry.Daemon.Events;

/// <summary>The one table of what happened.</summary>
internal sealed partial class EventLog
{
    /// <summary>Adds an event to the transaction of the change it tells of; it gets its number after the commit, in commit order.</summary>
    /// <param name="type">One of <see cref="Contracts.EventTypes"/>.</param>
    /// <param name="subject">What it is about, as a path: <c>instances/{id}</c>.</param>
    public Task AppendAsync(NpgsqlTransaction transaction, string type, string subject, string actor, string? requestId, object? data = null) =>
        throw new NotSupportedException("arrives with the event log");
}
