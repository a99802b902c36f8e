using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry quota</c>: how many snapshots there may be, how large and how old.</summary>
internal static class Quotas
{
    private const string Path = "/quotas";

    public static Command Build(App app) => new Verb(
            "quota", "Limit snapshots of the system, of pools and of instances.", "gantry quota set instance:web1 --count 10 --policy oldest", "gantry quota usage", "gantry quota enforce system --dry-run")
        .With(List(app), Info(app), Setting(app), Removing(app), Usage(app), Enforcing(app));

    private static Verb List(App app)
    {
        var filter = Lists.Filter("scope eq pool");
        var limit = Lists.Limit();
        return new Verb("list", "Show the quotas that were set.", "gantry quota list").With(filter, limit).Runs(app, (parsed, session, ct) => Lists.ShowAsync(
            session, Path, WireJson.Default.PageQuota, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit), quota => quota.Name, quotas => Show(session, quotas), ct));
    }

    private static Verb Info(App app)
    {
        var name = Which(app);
        return new Verb("info", "Show what holds, whether somebody set it or not, and how far it is used.", "gantry quota info instance:web1").With(name).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(name)!), WireJson.Default.Quota, quota => [quota.Name], quota => Card(session, quota), ct));
    }

    private static Verb Setting(App app)
    {
        var name = Which(app);
        var count = Choose.Number("--count", "Snapshots there may be; of an instance at most 100, which is what holds when left out.", least: 1);
        var size = Choose.Size("--size", "What they may occupy together.");
        var age = Choose.Text("--age", "Older ones are removed, whatever the policy: a number with s, m, h or d.", "AGE");
        var warn = Choose.Number("--warn", "Percent of count or size at which it warns; 80 when left out.", least: 1, "PERCENT");
        var policy = Choose.Optional<QuotaPolicy>("--policy", "Which goes first when there are too many: none when manual, as when left out; one more is refused then.");
        return new Verb("set", "Set a quota, all of it: what is left out does not limit.", "gantry quota set instance:web1 --count 10 --policy oldest", "gantry quota set pool:fast --size 200GiB --warn 90 --policy largest", "gantry quota set system --age 90d")
            .With(name, count, size, age, warn, policy).Runs(app, async (parsed, session, ct) =>
            {
                var body = new QuotaSettings(Number("--count", parsed.GetValue(count)), parsed.GetValue(size), SecondsOf(parsed.GetValue(age)), Number("--warn", parsed.GetValue(warn)), parsed.GetValue(policy));
                var answer = await session.SendAsync(HttpMethod.Put, PathOf(parsed.GetValue(name)!), body, WireJson.Default.QuotaSettings, ct);
                session.Show(answer, WireJson.Default.Quota, quota => [quota.Name], quota => Card(session, quota));
                return ExitCode.Done;
            });
    }

    private static Verb Removing(App app)
    {
        var name = Which(app);
        return new Verb("remove", "Take a quota away; an instance may have 100 snapshots then.", "gantry quota remove pool:fast").With(name).Runs(app, async (parsed, session, ct) =>
        {
            await session.SendAsync(HttpMethod.Delete, PathOf(parsed.GetValue(name)!), null, ct);
            session.Out.WriteLine(session.Quiet ? Words.Clean(parsed.GetValue(name)!) : $"{Words.Clean(parsed.GetValue(name)!)} removed");
            return ExitCode.Done;
        });
    }

    private static Verb Usage(App app) => new Verb("usage", "Show how far the quotas are used, the fullest first.", "gantry quota usage").Runs(app, (_, session, ct) =>
        session.ShowAsync($"{Path}/usage", WireJson.Default.QuotaSummary, all => all.Quotas.Select(q => q.Name), all =>
        {
            session.Out.WriteLine(
                $"{all.Total.Count} snapshots, {Sizes.Format(all.Total.Bytes)}{(all.Total.Unmeasured > 0 ? $" and {all.Total.Unmeasured} not measured yet" : "")}; {all.Set} quotas, {all.Warned} near their limit, {all.Exceeded} exceeded");
            if (all.Quotas.Count > 0)
            {
                session.Out.WriteLine();
                Show(session, all.Quotas);
            }
        }, ct));

    private static Verb Enforcing(App app)
    {
        var name = Which(app);
        var dryRun = Choose.Flag("--dry-run", "Only show what would be removed, and why.");
        return new Verb("enforce", "Remove what a quota does not allow, by its policy and its age.", "gantry quota enforce system --dry-run", "gantry quota enforce instance:web1")
        {
            More = "Protected snapshots stay, and so do those of instances that are at something. Ends with 1 when the quota is exceeded even then.",
        }.With(name, dryRun).Runs(app, async (parsed, session, ct) =>
        {
            var path = $"{PathOf(parsed.GetValue(name)!)}/enforce";
            QuotaEnforced? plan = null;
            var code = ExitCode.Done;
            if (parsed.GetValue(dryRun))
            {
                var answer = await session.SendAsync(HttpMethod.Post, $"{path}?dryRun=true", null, ct);
                plan = Session.Read(answer, WireJson.Default.QuotaEnforced);
                session.Show(answer, WireJson.Default.QuotaEnforced, p => p.Removed.Select(r => $"{r.InstanceName}/{r.Name}"), p => Tell(session, p));
            }
            else
            {
                var begun = await session.SendAsync(HttpMethod.Post, path, null, ct);
                code = await Waiting.FinishAsync(session, begun, parsed.GetValue(name)!, ended => $"enforced{((plan = ResultOf(ended)) is { Removed.Count: 0 } ? "; nothing had to go" : "")}", ct);
                if (plan is not null && session is { Format: OutputFormat.Table, Quiet: false })
                {
                    Tell(session, plan);
                }
            }

            return plan?.NotMet is null ? code : Math.Max(code, ExitCode.Failed);
        });
    }

    private static Argument<string> Which(App app) => Name.Fill(new Argument<string>("QUOTA"), "system, pool:NAME or instance:NAME.", app, Path);

    private static void Show(Session session, IReadOnlyList<Quota> quotas)
    {
        var table = new Table("QUOTA", ">SNAPSHOTS", ">OF", ">SIZE", ">OF", ">MAX AGE", "LEVEL", "POLICY");
        foreach (var quota in quotas)
        {
            var (limit, used) = (quota.Settings, quota.Usage);
            table.Add(quota.Name, Text(used.Count), limit.MaxCount is { } count ? Text(count) : null, Sizes.Format(used.Bytes), limit.MaxBytes is { } bytes ? Sizes.Format(bytes) : null,
                limit.MaxAge is { } age ? ScheduleText.Span(age) : null, Words.Of(used.Level), limit.Policy is { } policy ? Words.Of(policy) : null);
        }

        table.Write(session.Out);
    }

    private static void Card(Session session, Quota quota) => new Card()
        .Add("Quota", quota.Name)
        .Add("Set by", quota.IsDefault ? "nobody: this is what holds then" : null)
        .Add("Snapshots", $"{Text(quota.Usage.Count)}{(quota.Settings.MaxCount is { } count ? $" of {Text(count)}" : "")}")
        .Add("Size", $"{Sizes.Format(quota.Usage.Bytes)}{(quota.Settings.MaxBytes is { } bytes ? $" of {Sizes.Format(bytes)}" : "")}")
        .Add("Not measured yet", quota.Usage.Unmeasured > 0 ? Text(quota.Usage.Unmeasured) : null)
        .Add("Max age", quota.Settings.MaxAge is { } age ? ScheduleText.Span(age) : null)
        .Add("Warns at", $"{quota.Settings.WarnPercent} %")
        .Add("Policy", quota.Settings.Policy is { } policy ? Words.Of(policy) : null)
        .Add("Level", Words.Of(quota.Usage.Level))
        .Add("Set", quota.UpdatedAt is { } time ? Words.Time(time) : null)
        .Write(session.Out);

    private static void Tell(Session session, QuotaEnforced plan)
    {
        if (plan.DryRun)
        {
            session.Out.WriteLine(plan.Removed.Count == 0 ? "Nothing would go." : $"{Text(plan.Removed.Count)} would go:");
        }

        if (plan.Removed.Count > 0)
        {
            var table = new Table(["INSTANCE", "SNAPSHOT", ">SIZE", .. (string[])(plan.DryRun ? [] : ["OPERATION"]), "WHY"]);
            foreach (var gone in plan.Removed)
            {
                table.Add([
                    gone.InstanceName, gone.Name, gone.SizeBytes is { } size ? Sizes.Format(size) : null, .. (string?[])(plan.DryRun ? [] : [gone.Operation?.ToString()]),
                    gone.Error is { } error ? $"{gone.Reason}; NOT deleted: {error}" : gone.Reason]);
            }

            table.Write(session.Out);
        }

        session.Out.WriteLine($"{Text(plan.Before.Count)} snapshots, {Sizes.Format(plan.Before.Bytes)} before; {Text(plan.After.Count)}, {Sizes.Format(plan.After.Bytes)} after");
        if (plan.NotMet is { } why)
        {
            session.Out.WriteLine($"Exceeded still: {Words.Clean(why)}");
        }
    }

    private static QuotaEnforced? ResultOf(Operation ended) => ended.Result is { ValueKind: JsonValueKind.Object } result ? result.Deserialize(WireJson.Default.QuotaEnforced) : null;

    private static int? Number(string option, long? number) => number is null or <= int.MaxValue ? (int?)number
        : throw new WrongUseException($"{number} does not do for {option}.", $"Accepted is at most {int.MaxValue}.");

    private static long? SecondsOf(string? age) => age is null ? null
        : ScheduleText.Seconds(age) is { } seconds ? (long)seconds
        : throw new WrongUseException($"'{age}' does not do for --age.", "Accepted is a number with s, m, h or d.");

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string PathOf(string name) => $"{Path}/{ApiClient.Escape(name)}";
}
