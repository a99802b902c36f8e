using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Daemon.Schedules;

internal static class ScheduleErrors
{
    public static Refusal Unknown(string name) => Refusal.NotFound(
        "schedule.unknown", $"There is no schedule '{(Limits.IsName(name) ? name : "so named")}'.", "`gantry schedule list` shows those there are.");

    public static Refusal NameTaken(string name) => Refusal.Conflict(
        "schedule.name_taken", $"A schedule '{name}' exists already.", "Choose another name, or delete that one first.");

    public static Refusal Changed(string name) => new(
        "schedule.changed", 412, $"The schedule '{name}' was changed since it was read.", "Read it again and repeat with its new ETag.");

    public static Refusal KeyReused(string key, string schedule) => Refusal.Invalid(
        "schedule.idempotency_key_reused", $"The idempotency key '{key}' was used for another request.",
        $"Use a new key for a new request; the schedule '{schedule}' has this one.");

    public static Refusal Running(string name) => Refusal.Conflict(
        "schedule.running", $"The schedule '{name}' is at work already.", $"Wait for its end: `gantry schedule history {name}`.");

    public static Refusal TooLate(string name, DateTimeOffset latest) => Refusal.Conflict(
        "schedule.too_late", string.Create(CultureInfo.InvariantCulture, $"The schedule '{name}' did not come to it by {latest.UtcDateTime:yyyy-MM-dd HH:mm:ss'Z'}, and begins nothing later."),
        $"If it is still wanted: `gantry schedule run {name}`.");

    public static Refusal Disabled(string name) => Refusal.Conflict(
        "schedule.disabled", $"The schedule '{name}' was disabled before it came to it.", $"If it is still wanted: `gantry schedule run {name}`.");

    public static Refusal UnknownRun(string name) => Refusal.NotFound(
        "schedule.unknown_run", $"The schedule '{name}' has no such run.", $"`gantry schedule history {name}` shows those that are kept.");

    public static Refusal TooManyInstances(string name) => Refusal.Conflict(
        "schedule.too_many_instances", $"The filter of the schedule '{name}' finds more than {Limits.MaxBatch} instances.", "Narrow it, and make several schedules.");

    public static Refusal UnknownZone(string zone) => Refusal.Unavailable(
        "schedule.unknown_time_zone", $"This host does not know the time zone '{zone}'.", "Install the host's time zones (package tzdata), or give the schedule another.");
}
