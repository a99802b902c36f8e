using System.Text.Json;
using Dapper;
using Gantry.Daemon.Operations;
using Npgsql;

namespace Gantry.Daemon.Events;

/// <summary>The one table of what happened.</summary>
internal sealed class EventLog
{
    /// <summary>
    /// Adds an event to the transaction of the change it tells of. It gets its number after the commit, so the numbers follow
    /// the commits: of two changes, one that committed before the other began always comes first.
    /// </summary>
    /// <param name="type">One of <see cref="Contracts.EventTypes"/>.</param>
    /// <param name="subject">What it is about, as a path: <c>instances/{id}</c>.</param>
    public Task AppendAsync(NpgsqlTransaction transaction, string type, string subject, string actor, string? requestId, object? data = null) =>
        transaction.Connection!.ExecuteAsync(
            """
            insert into event_pending (type, subject, actor, request_id, data)
            values (@Type, @Subject, @Actor, @RequestId, @Data::json)
            """,
            new { Type = type, Subject = subject, Actor = actor, RequestId = requestId, Data = data is null ? null : JsonSerializer.Serialize(data, OperationJson.Options) },
            transaction);
}
