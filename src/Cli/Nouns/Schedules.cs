using System.CommandLine;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry schedule</c>: what is done to instances at its time.</summary>
internal static class Schedules
{
    private const string Path = "/schedules";

    public static Command Build(App app) => new Verb("schedule", "Start, stop and snapshot instances at their time.",
        "gantry schedule create nights shutdown --instance web1 --when \"daily 22:00\" --zone Europe/Berlin", "gantry schedule list", "gantry schedule history nights")
        .With(List(app), Info(app), Creating(app), Edit(app), Switch(app, "enable", "Let schedules run again; what was due meanwhile is not made up for.", "enabled"),
            Switch(app, "disable", "Keep schedules from running until they are enabled.", "disabled"), Run(app), SchedulePast.History(app), SchedulePast.Preview(app), Delete(app));

    public static string PathOf(string name) => $"{Path}/{ApiClient.Escape(name)}";

    private static Verb List(App app)
    {
        var filter = Lists.Filter("action eq start and enabled eq true");
        var limit = Lists.Limit();
        return new Verb("list", "Show the schedules.", "gantry schedule list").With(filter, limit).Runs(app, (parsed, session, ct) => Lists.ShowAsync(
            session, Path, WireJson.Default.PageSchedule, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit), schedule => schedule.Name, schedules =>
            {
                var table = new Table("NAME", "ACTION", "INSTANCES", "WHEN", "ZONE", "NEXT RUN", "LAST RUN");
                foreach (var schedule in schedules)
                {
                    table.Add(schedule.Name, Words.Of(schedule.Action), schedule.Instance ?? schedule.Filter, ScheduleText.Of(schedule.When), schedule.TimeZone,
                        NextOf(schedule), schedule.LastRun is { } last ? $"{Words.Of(last.State)} {Words.Ago(last.StartedAt, session.Terminal.Time)} ago" : null);
                }

                table.Write(session.Out);
            }, ct));
    }

    private static Verb Info(App app)
    {
        var name = Name.Of("schedule", app, Path);
        return new Verb("info", "Show one schedule.", "gantry schedule info nights").With(name).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(name)!), WireJson.Default.Schedule, schedule => [schedule.Name], schedule => new Card()
                .Add("Name", schedule.Name)
                .Add("Id", schedule.Id.ToString())
                .Add("Action", Words.Of(schedule.Action))
                .Add("Instance", schedule.Instance)
                .Add("Instances", schedule.Filter)
                .Add("When", ScheduleText.Of(schedule.When))
                .Add("Time zone", schedule.TimeZone)
                .Add("Next run", NextOf(schedule))
                .Add("Missed runs", schedule.Missed == MissedRuns.Skip ? "are left out" : $"the newest is made up for within {Words.Span(schedule.MissedWithinSeconds)}")
                .Add("Timeout", schedule.TimeoutSeconds is { } timeout ? Words.Span(timeout) : null)
                .Add("Force", schedule.Force == true ? "yes" : null)
                .Add("Keeps", ScheduleText.Of(schedule.Snapshot?.Retention))
                .Add("Memory", schedule.Snapshot?.Memory == true ? "is kept" : null)
                .Add("Quiesce", schedule.Snapshot?.Quiesce is { } quiesce ? Words.Of(quiesce) : null)
                .Add("Last run", schedule.LastRun is { } last ? $"{Words.Of(last.State)} {Words.Time(last.StartedAt)}{(last.Reason is null ? "" : $": {last.Reason}")}" : null)
                .Add("Description", schedule.Description)
                .Add("Created", Words.Time(schedule.CreatedAt))
                .Write(session.Out), ct));
    }

    private static Verb Creating(App app)
    {
        var name = new Argument<string>("NAME") { Description = "Its name: 1 to 63 of a-z, 0-9 and '-'." };
        var action = new Argument<string>("ACTION") { Description = $"One of {Words.Join(Enum.GetValues<ScheduledAction>().Select(Words.Of))}." };
        action.CompletionSources.Add(_ => Enum.GetValues<ScheduledAction>().Select(a => new System.CommandLine.Completions.CompletionItem(Words.Of(a))));
        var (disabled, options) = (Choose.Flag("--disabled", "Do not let it run yet."), new Options(app));
        return new Verb("create", "Make a schedule.",
            "gantry schedule create nights shutdown --instance web1 --when \"daily 22:00\" --zone Europe/Berlin",
            "gantry schedule create mornings start --filter \"labels.tier eq office\" --when \"cron 0 7 * * 1-5\"",
            "gantry schedule create nightly snapshot --instance db1 --when \"daily 03:00\" --keep daily=7,weekly=4")
            .With(name, action, disabled).With(options.All).Runs(app, async (parsed, session, ct) =>
            {
                var body = options.Given(parsed, whole: false);
                (body["name"], body["action"]) = (parsed.GetValue(name)!, parsed.GetValue(action)!);
                if (parsed.GetValue(disabled))
                {
                    body["enabled"] = false;
                }

                if (body["when"] is null)
                {
                    throw new WrongUseException("--when is missing.", $"Accepted is {ScheduleText.WhenAccepted}.");
                }

                Tell(session, await session.SendAsync(HttpMethod.Post, Path, Content(body), ct), "created");
                return ExitCode.Done;
            });
    }

    private static Verb Edit(App app)
    {
        var name = Name.Of("schedule", app, Path);
        var (rename, options) = (Choose.Text("--rename", "Its new name.", "NEW"), new Options(app));
        return new Verb("edit", "Change a schedule.", "gantry schedule edit nights --when \"weekly mon,tue 23:00\"", "gantry schedule edit nights --rename evenings")
            .With(name, rename).With(options.All).Runs(app, async (parsed, session, ct) =>
            {
                var body = options.Given(parsed, whole: true);
                if (parsed.GetValue(rename) is { } wanted)
                {
                    body["name"] = wanted;
                }

                if (body.Count == 0)
                {
                    throw new WrongUseException("Nothing to change was given.", "See `gantry schedule edit --help`.");
                }

                Tell(session, await session.SendAsync(HttpMethod.Patch, PathOf(parsed.GetValue(name)!), Content(body), ct), "changed");
                return ExitCode.Done;
            });
    }

    private static Verb Switch(App app, string verb, string description, string done) => OnMany(app, new Verb(verb, description, $"gantry schedule {verb} nights"),
        async (session, name, ct) =>
        {
            Tell(session, await session.SendAsync(HttpMethod.Post, $"{PathOf(name)}/{verb}", null, ct), done);
        });

    private static Verb Delete(App app) => OnMany(app, new Verb("delete", "Delete schedules with their history; what they have begun goes on.", "gantry schedule delete nights"),
        async (session, name, ct) =>
        {
            await session.SendAsync(HttpMethod.Delete, PathOf(name), null, ct);
            session.Out.WriteLine(session.Quiet ? Words.Clean(name) : $"{Words.Clean(name)} deleted");
        });

    private static Verb OnMany(App app, Verb verb, Func<Session, string, CancellationToken, Task> one)
    {
        var names = Name.Many(app, Path);
        names.Arity = ArgumentArity.OneOrMore;
        return verb.With(names).Runs(app, async (parsed, session, ct) =>
        {
            var given = parsed.GetValue(names)!;
            var worst = ExitCode.Done;
            foreach (var name in given)
            {
                try
                {
                    await one(session, name, ct);
                }
                catch (Refusal refusal) when (given.Length > 1 && refusal.Status != 0)
                {
                    worst = Math.Max(worst, Errors.PrintLine(session.Terminal, name, refusal));
                }
            }

            return worst;
        });
    }

    private static Verb Run(App app)
    {
        var name = Name.Of("schedule", app, Path);
        return new Verb("run", "Do at once what a schedule does; its due times stay as they are.", "gantry schedule run nights").With(name).Runs(app, async (parsed, session, ct) =>
        {
            var path = PathOf(parsed.GetValue(name)!);
            var answer = await session.SendAsync(HttpMethod.Post, $"{path}/run?wait={(session.NoWait ? 0 : Limits.MaxWaitSeconds)}", null, ct);
            for (var run = Session.Read(answer, WireJson.Default.ScheduleRun); run.State == RunState.Running && !session.NoWait;)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), session.Terminal.Time, ct);
                answer = await session.SendAsync(HttpMethod.Get, $"{path}/runs/{run.Id}", null, ct);
                run = Session.Read(answer, WireJson.Default.ScheduleRun);
            }

            session.Show(answer, WireJson.Default.ScheduleRun, run => [run.Id.ToString()], run => SchedulePast.Write(session, run));
            return Session.Read(answer, WireJson.Default.ScheduleRun).State == RunState.Failed ? ExitCode.Failed : ExitCode.Done;
        });
    }

    private static string NextOf(Schedule schedule) => schedule.NextRun is { } next ? Words.Time(next) : schedule.Enabled ? "never again" : "disabled";

    private static void Tell(Session session, byte[] answer, string done) => session.Show(answer, WireJson.Default.Schedule, schedule => [schedule.Name],
        schedule => session.Out.WriteLine($"{Words.Clean(schedule.Name)} {done}{(schedule.NextRun is { } next ? $"; next run {Words.Time(next)}" : "")}"));

    private static StringContent Content(JsonObject body) => new(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue("application/json"));

    /// <summary>What a schedule is made with and can be changed later.</summary>
    private sealed class Options
    {
        private readonly Option<string> _instance = Choose.Text("--instance", "The instance it is for; it goes with it.", "INSTANCE");
        private readonly Option<string> _filter = Choose.Text(
            "--filter", "In place of one: all that this is true of at each run: labels.tier eq front. '*' means all.", "EXPRESSION");
        private readonly Option<string> _when = Choose.Text("--when", $"{ScheduleText.WhenAccepted}.", "WHEN");
        private readonly Option<string> _zone = Choose.Text("--zone", "An IANA time zone, such as Europe/Berlin. The node's when left out.", "ZONE");
        private readonly Option<MissedRuns?> _missed = Choose.Optional<MissedRuns>(
            "--missed", "What becomes of due times while no daemon ran: once makes up for the newest if it is young enough; skip for none.");
        private readonly Option<double?> _within = Choose.Seconds("--missed-within", "How old the newest missed one may be; an hour when left out.");
        private readonly Option<double?> _timeout = Choose.Seconds("--timeout", "For shutdown and restart: how long the guest may take. 60 when left out.");
        private readonly Option<bool?> _force = new("--force") { Description = "For restart: end a guest that has not shut down by then." };
        private readonly Option<string> _keep = Choose.Text("--keep", $"For snapshot: which of its snapshots stay: {ScheduleText.KeepAccepted}. All when left out.", "RULE");
        private readonly Option<bool?> _memory = new("--memory") { Description = "For snapshot: with what the guest has in memory." };
        private readonly Option<SnapshotQuiesce?> _quiesce = Choose.Optional<SnapshotQuiesce>("--quiesce", "For snapshot: whether the guest agent is asked to bring the file systems to rest first; auto when left out.");
        private readonly Option<string> _description = Choose.Text("--description", "For people; an empty one takes it away.", "TEXT");

        public Options(App app) => _instance.CompletionSources.Add(context =>
            NamesOfDaemon.Ask(app, context.ParseResult, "/instances").Select(n => new System.CommandLine.Completions.CompletionItem(n)));

        public Symbol[] All => [_instance, _filter, _when, _zone, _missed, _within, _timeout, _force, _keep, _memory, _quiesce, _description];

        /// <summary>Only what was given.</summary>
        /// <param name="whole">As a merge patch, in which a value takes away what it is in place of.</param>
        public JsonObject Given(ParseResult parsed, bool whole)
        {
            var body = new JsonObject();
            Put("instance", parsed.GetValue(_instance), "filter");
            Put("filter", parsed.GetValue(_filter), "instance");
            if (parsed.GetValue(_when) is { } when)
            {
                body["when"] = whole ? ScheduleText.Whole(ScheduleText.When(when)) : SettingsInput.Of(ScheduleText.When(when), WireJson.Default.ScheduleWhen);
            }

            Put("timeZone", parsed.GetValue(_zone));
            Put("missed", parsed.GetValue(_missed) is { } missed ? Words.Of(missed) : null);
            Put("missedWithinSeconds", parsed.GetValue(_within));
            Put("timeoutSeconds", parsed.GetValue(_timeout));
            Put("force", parsed.GetValue(_force));
            var snapshot = new JsonObject();
            if (parsed.GetValue(_keep) is { } keep)
            {
                snapshot["retention"] = RetentionOf(keep, whole);
            }

            if (parsed.GetValue(_memory) is { } memory)
            {
                snapshot["memory"] = memory;
            }

            if (parsed.GetValue(_quiesce) is { } quiesce)
            {
                snapshot["quiesce"] = Words.Of(quiesce);
            }

            if (snapshot.Count > 0)
            {
                body["snapshot"] = snapshot;
            }

            if (parsed.GetValue(_description) is { } text)
            {
                body["description"] = text.Length == 0 ? null : text;
            }

            return body;

            void Put(string name, JsonNode? value, string? instead = null)
            {
                if (value is not null)
                {
                    body[name] = value;
                    if (instead is not null && whole && !body.ContainsKey(instead))
                    {
                        body[instead] = null;
                    }
                }
            }
        }

        private static JsonObject RetentionOf(string keep, bool whole)
        {
            var rule = SettingsInput.Of(ScheduleText.Keep(keep), WireJson.Default.SnapshotRetention);
            foreach (var name in whole ? (string[])["keepLast", "maxAge", "hourly", "daily", "weekly", "monthly", "yearly"] : [])
            {
                rule.TryAdd(name, null);
            }

            return rule;
        }
    }
}
