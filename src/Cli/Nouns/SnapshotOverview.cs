using System.CommandLine;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry snapshot list</c>, <c>tree</c> and <c>statistics</c>: what snapshots there are.</summary>
internal static class SnapshotOverview
{
    public static Verb List(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        instance.Arity = ArgumentArity.ZeroOrOne;
        var all = Choose.Flag("--all", "Of all instances; sizes are as they were measured last.");
        var pool = Choose.Text("--pool", "With --all: only those with disks in this pool.", "POOL");
        var schedule = Choose.Text("--schedule", "With --all: only those that runs of this schedule took.", "SCHEDULE");
        var older = Choose.Text("--older-than", "With --all: only those of at least this age: a number with s, m, h or d.", "AGE");
        var newer = Choose.Text("--newer-than", "With --all: only those of at most this age.", "AGE");
        var filter = Lists.Filter("name like 'nightly*'");
        var limit = Lists.Limit();
        return new Verb(
            "list", "Show the snapshots of an instance; the one it is after now has a star. Or those of all.", "gantry snapshot list web1", "gantry snapshot list --all --older-than 30d")
            .With(instance, all, pool, schedule, older, newer, filter, limit).Runs(app, (parsed, session, ct) =>
            {
                var of = parsed.GetValue(instance);
                if (of is null != parsed.GetValue(all))
                {
                    throw new WrongUseException(of is null ? "Which instance's snapshots?" : "--all shows those of all instances.", "Name an instance, or give --all.");
                }

                (string, string?)[] query =
                [
                    ("filter", parsed.GetValue(filter)), ("pool", parsed.GetValue(pool)), ("schedule", parsed.GetValue(schedule)),
                    ("takenBefore", Before(session, "--older-than", parsed.GetValue(older))), ("takenAfter", Before(session, "--newer-than", parsed.GetValue(newer))),
                ];
                if (of is not null && query.Skip(1).Any(q => q.Item2 is not null))
                {
                    throw new WrongUseException("--pool, --schedule, --older-than and --newer-than choose among all snapshots.", "Give --all, and for one instance --filter \"instance eq NAME\".");
                }

                return Lists.ShowAsync(
                    session, of is null ? "/snapshots" : Snapshots.PathOf(of), WireJson.Default.PageSnapshot, query, parsed.GetValue(limit),
                    snapshot => of is null ? $"{snapshot.InstanceName}/{snapshot.Name}" : snapshot.Name, snapshots => Show(session, snapshots, of is null), ct);
            });
    }

    public static Verb Tree(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        return new Verb("tree", "Show which snapshot came after which, what each would free, and where the instance is.", "gantry snapshot tree web1").With(instance).Runs(app, (parsed, session, ct) =>
            session.ShowAsync($"{Snapshots.PathOf(parsed.GetValue(instance)!)}/tree", WireJson.Deep.SnapshotTree, SnapshotDrawing.Names, tree =>
            {
                foreach (var line in SnapshotDrawing.Of(tree))
                {
                    session.Out.WriteLine(line);
                }
            }, ct));
    }

    public static Verb Statistics(App app) =>
        new Verb("statistics", "Sum up all snapshots: how many, how large, of what. Sizes are as they were measured last.", "gantry snapshot statistics").Runs(app, (_, session, ct) =>
            session.ShowAsync("/snapshots/statistics", WireJson.Default.SnapshotStatistics, all => all.Instances.Select(i => i.Name), all =>
            {
                new Card()
                    .Add("Snapshots", Number(all.Count))
                    .Add("Not measured yet", all.Unmeasured > 0 ? Number(all.Unmeasured) : null)
                    .Add("Protected", Number(all.Protected))
                    .Add("Size", Sizes.Format(all.Bytes))
                    .Add("Average", all.AverageBytes is { } average ? Sizes.Format(average) : null)
                    .Add("Largest", all.Largest is { SizeBytes: { } size } largest ? $"{NameOf(largest)}, {Sizes.Format(size)}" : null)
                    .Add("Oldest", all.Oldest is { } oldest ? $"{NameOf(oldest)}, {Words.Time(oldest.CreatedAt)}" : null)
                    .Add("Newest", all.Newest is { } newest ? $"{NameOf(newest)}, {Words.Time(newest.CreatedAt)}" : null)
                    .Add("Level", $"{all.Levels.Application} application, {all.Levels.Filesystem} filesystem, {all.Levels.Crash} crash, {all.Levels.Stopped} of stopped instances")
                    .Write(session.Out);
                Shares(session, "INSTANCE", all.Instances);
                Shares(session, "POOL", all.Pools);
                Shares(session, "SCHEDULE", all.Schedules);
            }, ct));

    private static void Show(Session session, IReadOnlyList<Snapshot> snapshots, bool all)
    {
        var table = new Table([.. (string[])(all ? ["INSTANCE"] : []), "NAME", "AFTER", "OF", "LEVEL", ">SIZE", ">AGE", "DESCRIPTION"]);
        foreach (var snapshot in snapshots)
        {
            table.Add([
                .. (string?[])(all ? [snapshot.InstanceName] : []), snapshot.Current ? $"{snapshot.Name} *" : snapshot.Name, snapshot.Parent, Words.Of(snapshot.State),
                snapshot.Level is { } level ? Words.Of(level) : null, snapshot.SizeBytes is { } size ? Sizes.Format(size) : null, Words.Ago(snapshot.CreatedAt, session.Terminal.Time), snapshot.Description]);
        }

        table.Write(session.Out);
    }

    private static void Shares(Session session, string heading, IReadOnlyList<SnapshotShare> shares)
    {
        if (shares.Count == 0)
        {
            return;
        }

        var table = new Table(heading, ">SNAPSHOTS", ">SIZE");
        foreach (var share in shares)
        {
            table.Add(share.Name, Number(share.Count), Sizes.Format(share.Bytes));
        }

        session.Out.WriteLine();
        table.Write(session.Out);
    }

    private static string NameOf(Snapshot snapshot) => $"{snapshot.InstanceName}/{snapshot.Name}";

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string? Before(Session session, string option, string? age) => age is null ? null
        : ScheduleText.Seconds(age) is { } seconds ? (session.Terminal.Time.GetUtcNow() - TimeSpan.FromSeconds(seconds)).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)
        : throw new WrongUseException($"'{age}' does not do for {option}.", "Accepted is a number with s, m, h or d.");
}
