using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry snapshot protect</c> and <c>unprotect</c>: what keeps a snapshot from being deleted, by hand, by a schedule or by a quota.</summary>
internal static class SnapshotProtection
{
    public static Verb Protect(App app)
    {
        var (instance, snapshot) = Snapshots.Both(app);
        var until = Choose.Text("--until", "Only until then, such as 2027-01-01T00:00:00Z; for ever when left out.", "TIME");
        return new Verb("protect", "Keep a snapshot from being deleted by anybody, until that is lifted.", "gantry snapshot protect web1 golden", "gantry snapshot protect web1 audit --until 2027-01-01T00:00:00Z")
            .With(instance, snapshot, until).Runs(app, async (parsed, session, ct) =>
            {
                var answer = await Snapshots.PatchAsync(session, parsed.GetValue(instance)!, parsed.GetValue(snapshot)!,
                    parsed.GetValue(until) is { } time ? new() { ["keepUntil"] = time } : new() { ["protected"] = true }, ct);
                session.Show(answer, WireJson.Default.Snapshot, one => [one.Name], one => session.Out.WriteLine(
                    $"{Words.Clean(one.Name)} is protected{(one is { Protected: false, KeepUntil: { } kept } ? $" until {Words.Time(kept)}" : "")}"));
                return ExitCode.Done;
            });
    }

    public static Verb Unprotect(App app)
    {
        var (instance, snapshot) = Snapshots.Both(app);
        return new Verb("unprotect", "Let a snapshot be deleted again.", "gantry snapshot unprotect web1 golden").With(instance, snapshot).Runs(app, async (parsed, session, ct) =>
        {
            var answer = await Snapshots.PatchAsync(session, parsed.GetValue(instance)!, parsed.GetValue(snapshot)!, new() { ["protected"] = false, ["keepUntil"] = null }, ct);
            session.Show(answer, WireJson.Default.Snapshot, one => [one.Name], one => session.Out.WriteLine($"{Words.Clean(one.Name)} is not protected any more"));
            return ExitCode.Done;
        });
    }
}
