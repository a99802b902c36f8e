using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>What a schedule has done, and what it would do.</summary>
internal static class SchedulePast
{
    public static Verb History(App app)
    {
        var name = Name.Of("schedule", app, "/schedules");
        var filter = Lists.Filter("state eq failed");
        var limit = Choose.Number("--limit", "At most this many. Default: 20.", least: 1);
        return new Verb("history", "Show the runs of a schedule, the newest first.", "gantry schedule history nights").With(name, filter, limit)
            .Runs(app, (parsed, session, ct) => Lists.ShowAsync(
            session, $"{Schedules.PathOf(parsed.GetValue(name)!)}/runs", WireJson.Default.PageScheduleRun, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit) ?? 20,
            run => run.Id.ToString(), runs =>
            {
                var table = new Table("DUE", "TRIGGER", "STATE", ">INSTANCES", ">FAILED", ">TOOK", "RUN", "REASON");
                foreach (var run in runs)
                {
                    var results = run.Results ?? [];
                    table.Add(Words.Time(run.Due), Words.Of(run.Trigger), Words.Of(run.State), results.Count.ToString(CultureInfo.InvariantCulture),
                        results.Count(r => r.State == RunState.Failed).ToString(CultureInfo.InvariantCulture),
                        run.FinishedAt is { } end ? Words.Span((end - run.StartedAt).TotalSeconds) : null, run.Id.ToString(), run.Reason);
                }

                table.Write(session.Out);
            }, ct));
    }

    public static Verb Preview(App app)
    {
        var when = Choose.Text("--when", $"{ScheduleText.WhenAccepted}.", "WHEN");
        var name = Name.Of("schedule", app, "/schedules");
        name.Arity = System.CommandLine.ArgumentArity.ZeroOrOne;
        name.Description = "A schedule there is, in place of --when.";
        var zone = Choose.Text("--zone", "An IANA time zone. The schedule's or the node's when left out.", "ZONE");
        var count = Choose.Number("--count", "How many due times. 10 when left out.", least: 1);
        var keep = Choose.Text("--keep", $"Which of the snapshots would stay: {ScheduleText.KeepAccepted}. The schedule's when left out.", "RULE");
        var runs = Choose.Number("--history", "Over how many runs that is played through. 1000 when left out.", least: 1, "RUNS");
        return new Verb("preview", "Show when something is due, and which snapshots would stay; nothing is changed.",
            "gantry schedule preview nights", "gantry schedule preview --when \"daily 02:30\" --zone Europe/Berlin --count 5",
            "gantry schedule preview --when \"hourly 0\" --keep hourly=24,daily=7,monthly=6 --history 5000")
            .With(name, when, zone, count, keep, runs).Runs(app, async (parsed, session, ct) =>
            {
                var body = new PreviewSchedule(
                    parsed.GetValue(when) is { } text ? ScheduleText.When(text) : null!, parsed.GetValue(zone), null, (int?)parsed.GetValue(count),
                    parsed.GetValue(keep) is { } rule ? ScheduleText.Keep(rule) : null, (int?)parsed.GetValue(runs));
                if (parsed.GetValue(name) is { } given)
                {
                    var schedule = Session.Read(await session.SendAsync(HttpMethod.Get, Schedules.PathOf(given), null, ct), WireJson.Default.Schedule);
                    body = body with
                    {
                        When = body.When ?? schedule.When,
                        TimeZone = body.TimeZone ?? schedule.TimeZone,
                        Retention = body.Retention ?? schedule.Snapshot?.Retention,
                    };
                }
                else if (body.When is null)
                {
                    throw new WrongUseException("Neither a schedule nor --when is given.", $"Accepted is {ScheduleText.WhenAccepted}.");
                }

                var answer = await session.SendAsync(HttpMethod.Post, "/schedules:preview", body, WireJson.Default.PreviewSchedule, ct);
                session.Show(answer, WireJson.Default.SchedulePreview, preview => preview.Runs.Select(ScheduleText.Local), preview => Write(session, preview));
                return ExitCode.Done;
            });
    }

    public static void Write(Session session, ScheduleRun run)
    {
        session.Out.WriteLine(Words.Clean($"Run {run.Id}: {Words.Of(run.State)}{(run.Reason is null ? "" : $": {run.Reason}")}"));
        if (run.Results is { Count: > 0 } results)
        {
            var table = new Table("INSTANCE", "STATE", "OPERATION", "REASON");
            foreach (var result in results)
            {
                table.Add(result.Instance, Words.Of(result.State), result.Operation?.ToString(),
                    result.Error?.Detail ?? (result.State == RunState.Skipped ? "it was so already" : null));
            }

            table.Write(session.Out);
        }
    }

    private static void Write(Session session, SchedulePreview preview)
    {
        session.Out.WriteLine($"Due in {Words.Clean(preview.TimeZone)}:");
        foreach (var run in preview.Runs)
        {
            session.Out.WriteLine($"  {ScheduleText.Local(run)}");
        }

        if (preview.Retention is { } retention)
        {
            session.Out.WriteLine();
            var span = $"from {ScheduleText.Local(retention.From)} to {ScheduleText.Local(retention.To)}";
            session.Out.WriteLine($"Of {retention.Snapshots} snapshots {span}, {retention.Kept.Count} would stay:");
            var table = new Table("TAKEN", "BECAUSE IT IS");
            foreach (var kept in retention.Kept)
            {
                table.Add(ScheduleText.Local(kept.Time), string.Join(", ", kept.Reasons));
            }

            table.Write(session.Out);
        }
    }
}
