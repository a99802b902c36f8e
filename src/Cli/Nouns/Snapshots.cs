using System.CommandLine;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry snapshot</c>: an instance as it was, and back to it.</summary>
internal static class Snapshots
{
    public static Command Build(App app) => new Verb(
            "snapshot", "Keep an instance as it is, and go back to that.", "gantry snapshot create web1 before-upgrade", "gantry snapshot tree web1", "gantry snapshot restore web1 before-upgrade --stop")
        .With(Creating(app), SnapshotOverview.List(app), SnapshotOverview.Tree(app), SnapshotOverview.Statistics(app), Info(app), Restoring(app), Renaming(app), Describing(app),
            SnapshotProtection.Protect(app), SnapshotProtection.Unprotect(app), Verifying(app), Deleting(app));

    private static Verb Creating(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var name = new Argument<string>("SNAPSHOT") { Description = "Its name: 1 to 80 of a-z, 0-9, '-' and '_'." };
        var description = Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT");
        var memory = Choose.Flag("--memory", "With what the guest has in memory, so that it can go on from there. It is halted while that is written.");
        var quiesce = Choose.Optional<SnapshotQuiesce>("--quiesce", "Whether the guest agent is asked to bring the file systems to rest first; auto when left out.");
        return new Verb(
                "create", "Take a snapshot of an instance, which may run: all its disks at one instant.", "gantry snapshot create web1 before-upgrade --description \"Debian 12\"", "gantry snapshot create web1 as-it-runs --memory")
            .With(instance, name, description, memory, quiesce).Runs(app, async (parsed, session, ct) =>
            {
                var body = new CreateSnapshot(parsed.GetValue(name)!, parsed.GetValue(description), parsed.GetValue(memory), parsed.GetValue(quiesce));
                var begun = await session.SendAsync(HttpMethod.Post, PathOf(parsed.GetValue(instance)!), body, WireJson.Default.CreateSnapshot, ct);
                return await Waiting.FinishAsync(session, begun, body.Name, $"taken of {parsed.GetValue(instance)}", ct);
            });
    }

    private static Verb Info(App app)
    {
        var (instance, snapshot) = Both(app);
        return new Verb("info", "Show one snapshot.", "gantry snapshot info web1 before-upgrade").With(instance, snapshot).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(instance)!, parsed.GetValue(snapshot)!), WireJson.Default.Snapshot, one => [one.Name], one => new Card()
                .Add("Name", one.Name)
                .Add("Id", one.Id.ToString())
                .Add("Description", one.Description)
                .Add("After", one.Parent)
                .Add("Instance is", one.Current ? "after this one" : null)
                .Add("Taken of", $"a {Words.Of(one.State)} instance")
                .Add("Level", one.Level is { } level ? Words.Of(level) : null)
                .Add("Memory", one.MemoryBytes is { } memory ? Sizes.Format(memory) : null)
                .Add("Frees", one.SizeBytes is { } size ? Sizes.Format(size) : "its pools do not answer")
                .Add("Taken", Words.Time(one.CreatedAt))
                .Add("Last used", one.LastUsedAt is { } used ? Words.Time(used) : null)
                .Add("Kept", one.Protected ? "until its protection is lifted" : one.KeepUntil is { } until ? $"until {Words.Time(until)}" : null)
                .Write(session.Out), ct));
    }

    private static Verb Restoring(App app)
    {
        var (instance, snapshot) = Both(app);
        var stop = Choose.Flag("--stop", "Stop a running instance first, as if by pulling the plug.");
        var start = Choose.Flag("--start", "Start it afterwards.");
        var noMemory = Choose.Flag("--no-memory", "Leave out the memory in it: the instance is stopped then, or boots.");
        var pause = Choose.Flag("--pause", "Have it go on from its memory only when it is resumed.");
        return new Verb("restore", "Make an instance what it was. Other snapshots stay, newer ones too.", "gantry snapshot restore web1 before-upgrade --stop --start")
        {
            More = "What the instance has written since its last snapshot is gone: take one first where it matters. From one with memory the guest goes on where it was.",
        }.With(instance, snapshot, stop, start, noMemory, pause).Runs(app, async (parsed, session, ct) =>
        {
            var body = new RestoreSnapshot(parsed.GetValue(stop), parsed.GetValue(start), parsed.GetValue(noMemory), parsed.GetValue(pause));
            var begun = await session.SendAsync(HttpMethod.Post, $"{PathOf(parsed.GetValue(instance)!, parsed.GetValue(snapshot)!)}/restore", body, WireJson.Default.RestoreSnapshot, ct);
            return await Waiting.FinishAsync(session, begun, parsed.GetValue(instance)!, ended => $"is as it was in {parsed.GetValue(snapshot)}{NotStarted(ended)}", ct);
        });
    }

    private static Verb Renaming(App app)
    {
        var (instance, snapshot) = Both(app);
        var newName = new Argument<string>("NEW") { Description = "Its new name: 1 to 80 of a-z, 0-9, '-' and '_'." };
        return new Verb("rename", "Give a snapshot another name.", "gantry snapshot rename web1 s1 before-upgrade").With(instance, snapshot, newName).Runs(app, async (parsed, session, ct) =>
        {
            var answer = await PatchAsync(session, parsed.GetValue(instance)!, parsed.GetValue(snapshot)!, new() { ["name"] = parsed.GetValue(newName)! }, ct);
            session.Show(answer, WireJson.Default.Snapshot, one => [one.Name], one => session.Out.WriteLine($"{Words.Clean(parsed.GetValue(snapshot)!)} is now {Words.Clean(one.Name)}"));
            return ExitCode.Done;
        });
    }

    private static Verb Describing(App app)
    {
        var (instance, snapshot) = Both(app);
        var text = new Argument<string>("TEXT") { Description = "For people; at most 1,000 characters. Empty for none." };
        return new Verb("describe", "Say what a snapshot is for.", "gantry snapshot describe web1 s1 \"Before the upgrade\"").With(instance, snapshot, text).Runs(app, async (parsed, session, ct) =>
        {
            var answer = await PatchAsync(session, parsed.GetValue(instance)!, parsed.GetValue(snapshot)!, new() { ["description"] = parsed.GetValue(text)! }, ct);
            session.Show(answer, WireJson.Default.Snapshot, one => [one.Name], one => session.Out.WriteLine($"{Words.Clean(one.Name)} described"));
            return ExitCode.Done;
        });
    }

    private static Verb Verifying(App app)
    {
        var (instance, snapshot) = Both(app);
        return new Verb("verify", "Look through all of a snapshot for what is missing, damaged or altered.", "gantry snapshot verify web1 before-upgrade")
        {
            More = "Ends with 1 when something is.",
        }.With(instance, snapshot).Runs(app, async (parsed, session, ct) =>
        {
            IReadOnlyList<string> faults = [];
            var begun = await session.SendAsync(HttpMethod.Post, $"{PathOf(parsed.GetValue(instance)!, parsed.GetValue(snapshot)!)}/verify", null, ct);
            var code = await Waiting.FinishAsync(session, begun, parsed.GetValue(snapshot)!, ended => (faults = FaultsOf(ended)).Count == 0 ? "whole" : "NOT whole", ct);
            if (session.Format == OutputFormat.Table)
            {
                foreach (var fault in faults)
                {
                    session.Out.WriteLine(Words.Clean(fault));
                }
            }

            return faults.Count == 0 ? code : Math.Max(code, ExitCode.Failed);
        });
    }

    private static Verb Deleting(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var names = new Argument<string[]>("SNAPSHOT") { Description = "One or several names or ids.", Arity = ArgumentArity.OneOrMore };
        return new Verb("delete", "Delete snapshots. What came after one comes after its parent then; nothing else changes.", "gantry snapshot delete web1 s1 s2").With(instance, names).Runs(app, (parsed, session, ct) =>
            Waiting.EachAsync(session, parsed.GetValue(names)!, name => session.SendAsync(HttpMethod.Delete, PathOf(parsed.GetValue(instance)!, name), null, ct), "deleted", ct));
    }

    internal static (Argument<string> Instance, Argument<string> Snapshot) Both(App app) => (Name.Of("instance", app, "/instances"), Name.Of("snapshot", app));

    internal static async Task<byte[]> PatchAsync(Session session, string instance, string snapshot, JsonObject patch, CancellationToken ct)
    {
        using var body = new StringContent(patch.ToJsonString(), Encoding.UTF8, "application/json");
        return await session.SendAsync(HttpMethod.Patch, PathOf(instance, snapshot), body, ct);
    }

    private static IReadOnlyList<string> FaultsOf(Operation ended) => ended.Result is { ValueKind: JsonValueKind.Object } result ? result.Deserialize(WireJson.Default.SnapshotVerdict)!.Faults : [];

    /// <summary>Why the instance does not run after a restore, where it was to.</summary>
    private static string NotStarted(Operation ended) =>
        ended.Result is { ValueKind: JsonValueKind.Object } result && result.TryGetProperty("notStarted", out var why) && why.GetString() is { } text ? $"; it was not started: {text}" : "";

    internal static string PathOf(string instance) => $"/instances/{ApiClient.Escape(instance)}/snapshots";

    private static string PathOf(string instance, string snapshot) => $"{PathOf(instance)}/{ApiClient.Escape(snapshot)}";
}
