using Gantry.Contracts;

namespace Gantry.Daemon.Events;

internal static class EventErrors
{
    public static Refusal SinceNotValid(string since) =>
        Refusal.Invalid("event.since_not_valid", $"since={since} is not the number of an event.", "Give the seq of the last event seen; 0 for all that are kept, nothing for those from now on.");

    public static Refusal SinceAhead(long since, long newest) =>
        Refusal.Invalid("event.since_ahead", $"since={since} is ahead of the newest event, {newest}.", "These numbers are of another installation, or the database was restored from a backup: read again without since.");

    public static Refusal UnknownTopic(string topic, IEnumerable<string> known) =>
        Refusal.Invalid("event.unknown_topic", $"There is no topic '{topic}'.", $"Topics are {string.Join(", ", known)}.");
}
