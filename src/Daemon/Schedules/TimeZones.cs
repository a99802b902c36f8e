using System.Text.RegularExpressions;
using Gantry.Contracts;

namespace Gantry.Daemon.Schedules;

/// <summary>Time zones by their IANA name, out of the host's own data (package tzdata).</summary>
internal static partial class TimeZones
{
    /// <summary>The node's, where its name is known; else UTC.</summary>
    public static string OfNode => Find(TimeZoneInfo.Local.Id) is null ? "UTC" : TimeZoneInfo.Local.Id;

    public static TimeZoneInfo? Find(string name)
    {
        try
        {
            return name.Length <= Limits.TimeZoneLength && Name().IsMatch(name) && TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone) ? zone : null;
        }
        catch (Exception e) when (e is InvalidTimeZoneException or IOException or UnauthorizedAccessException)
        {
            return null; // a file of that name that is no time zone
        }
    }

    /// <exception cref="Refusal"><c>schedule.unknown_time_zone</c></exception>
    public static TimeZoneInfo Get(string name) => Find(name) ?? throw ScheduleErrors.UnknownZone(name);

    /// <summary>Never a path to somewhere else.</summary>
    [GeneratedRegex(@"\A[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}
