using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry doctor</c>: what this host can run, and how to get the rest.</summary>
internal static class Doctor
{
    public static Command Build(App app) => new Verb("doctor", "Check what this host can run, and how to get the rest.", "gantry doctor")
    {
        More = "The exit code is 1 when a check failed; warnings leave it at 0.",
    }.Runs(app, async (_, session, ct) =>
    {
        var answer = await session.SendAsync(HttpMethod.Get, "/system/doctor", null, ct);
        session.Show(answer, WireJson.Default.DoctorReport, report => report.Items.Select(check => check.Name), report => Write(session.Out, report));
        return Session.Read(answer, WireJson.Default.DoctorReport).Items.Any(check => check.Level == CheckLevel.Failed) ? ExitCode.Failed : ExitCode.Done;
    });

    private static void Write(TextWriter writer, DoctorReport report)
    {
        var width = report.Items.Select(check => Words.Clean(check.Name).Length).DefaultIfEmpty().Max();
        foreach (var check in report.Items)
        {
            writer.WriteLine($"{Words.Of(check.Level),-7}  {Words.Clean(check.Name).PadRight(width)}  {Words.Clean(check.Finding)}");
            if (check.Level != CheckLevel.Ok && check.Hint is { Length: > 0 } hint)
            {
                writer.WriteLine($"{new string(' ', 9 + width + 2)}{Words.Clean(hint)}");
            }
        }
    }
}
