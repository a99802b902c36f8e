using System.CommandLine;
using System.Text;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>Of <c>gantry volume</c>: the disks that belong to no instance, and how they come to one and from one.</summary>
internal static class PoolVolumes
{
    public const string Local = "local";

    public static Verb List(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        instance.Arity = ArgumentArity.ZeroOrOne;
        var pool = Choose.Text("--pool", "All that lie in this pool, in place of those of an instance.", "POOL");
        var filter = Lists.Filter("state eq available");
        var limit = Lists.Limit();
        return new Verb("list", "Show the volumes of an instance, or all in a pool.", "gantry volume list web1", "gantry volume list --pool big --filter \"state eq available\"")
            .With(instance, pool, filter, limit).Runs(app, (parsed, session, ct) => (parsed.GetValue(instance), parsed.GetValue(pool)) switch
            {
                (null, { } place) => Lists.ShowAsync(
                    session, PathOf(place), WireJson.Default.PagePoolVolume, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit),
                    v => v.Instance is null ? v.Name : $"{v.Instance}/{v.Name}",
                    volumes => Show(session, volumes), ct),
                ({ } of, null) when parsed.GetValue(filter) is null && parsed.GetValue(limit) is null => Volumes.ShowAsync(session, of, ct),
                _ => throw new WrongUseException("Which volumes?", "Name an instance, or give --pool, which takes --filter and --limit too."),
            });
    }

    public static Verb Creating(App app)
    {
        var name = new Argument<string>("NAME") { Description = "What it is called in its pool: 1 to 63 of a-z, 0-9 and '-'." };
        var size = Choose.Size("--size", "How large it is. When left out, as large as its image, or 10 GiB.");
        var pool = Pool(app);
        var image = Choose.Text("--image", "It begins as this image.", "IMAGE");
        var description = Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT");
        return new Verb("create", "Make a disk that belongs to no instance, to be attached to one later.", "gantry volume create archive --size 200GiB --pool big")
            .With(name, size, pool, image, description).Runs(app, async (parsed, session, ct) =>
            {
                var body = new CreatePoolVolume(parsed.GetValue(name)!, parsed.GetValue(size), parsed.GetValue(image), parsed.GetValue(description));
                var begun = await session.SendAsync(HttpMethod.Post, PathOf(parsed.GetValue(pool)), body, WireJson.Default.CreatePoolVolume, ct);
                return await Waiting.FinishAsync(session, begun, body.Name, $"made in {parsed.GetValue(pool) ?? Local}", ct);
            });
    }

    public static Verb Info(App app)
    {
        var (name, pool) = Both(app);
        return new Verb("info", "Show a disk that belongs to no instance.", "gantry volume info archive --pool big").With(name, pool).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(pool), parsed.GetValue(name)!), WireJson.Default.PoolVolume, volume => [volume.Name], volume => new Card()
                .Add("Name", volume.Name)
                .Add("Id", volume.Id.ToString())
                .Add("Pool", volume.Pool)
                .Add("State", volume.Instance is null ? Words.Of(volume.State) : $"{Words.Of(volume.State)} ({volume.Instance})")
                .Add("Size", Sizes.Format(volume.SizeBytes))
                .Add("Image", volume.Image)
                .Add("Description", volume.Description)
                .Add("Created", volume.CreatedAt is { } created ? Words.Time(created) : null)
                .Write(session.Out), ct));
    }

    public static Verb Renaming(App app)
    {
        var (name, pool) = Both(app);
        var newName = new Argument<string>("NEW") { Description = "Its new name: 1 to 63 of a-z, 0-9 and '-'." };
        return new Verb("rename", "Give a disk that belongs to no instance another name.", "gantry volume rename archive archive-2026 --pool big")
            .With(name, newName, pool).Runs(app, (parsed, session, ct) =>
            PatchAsync(session, parsed.GetValue(pool), parsed.GetValue(name)!, new() { ["name"] = parsed.GetValue(newName)! }, $"is now {parsed.GetValue(newName)}", ct));
    }

    public static Verb Describing(App app)
    {
        var (name, pool) = Both(app);
        var text = new Argument<string>("TEXT") { Description = "For people; at most 1,000 characters. Empty for none." };
        return new Verb("describe", "Say what a disk that belongs to no instance is for.", "gantry volume describe archive \"Letters up to 2025\" --pool big")
            .With(name, text, pool).Runs(app, (parsed, session, ct) =>
            PatchAsync(
                session, parsed.GetValue(pool), parsed.GetValue(name)!, new() { ["description"] = parsed.GetValue(text) is { Length: > 0 } said ? said : null }, "described", ct));
    }

    public static Verb Deleting(App app)
    {
        var names = Name.Many(app, "/pools/local/volumes");
        names.Arity = ArgumentArity.OneOrMore;
        var pool = Pool(app);
        return new Verb("delete", "Delete disks that belong to no instance, with all that is in them.", "gantry volume delete archive --pool big")
            .With(names, pool).Runs(app, (parsed, session, ct) =>
            Waiting.EachAsync(session, parsed.GetValue(names)!, name => session.SendAsync(HttpMethod.Delete, PathOf(parsed.GetValue(pool), name), null, ct), "deleted", ct));
    }

    public static Verb Attaching(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var name = new Argument<string>("NAME") { Description = "What it is called in the instance, and its serial number: 1 to 20 of a-z, 0-9 and '-'." };
        var volume = Choose.Text("--volume", "Which it is, by the name in its pool or the id.", "VOLUME");
        volume.Required = true;
        var pool = Pool(app);
        var bus = Choose.Optional<VolumeBus>("--bus", "How the guest sees it; by virtio when left out.");
        var cache = Choose.Optional<VolumeCache>("--cache", "What the host does with what the guest writes; writeback when left out.");
        var readOnly = Choose.Flag("--read-only", "The guest cannot write to it.");
        return new Verb("attach", "Give a disk that belongs to no instance to one; a running VM gets it at once.", "gantry volume attach web1 data --volume archive --pool big")
            .With(instance, name, volume, pool, bus, cache, readOnly).Runs(app, async (parsed, session, ct) =>
            {
                var body = new AddVolume
                {
                    Name = parsed.GetValue(name)!,
                    Volume = parsed.GetValue(volume),
                    Pool = parsed.GetValue(pool),
                    Bus = parsed.GetValue(bus),
                    Cache = parsed.GetValue(cache),
                    ReadOnly = parsed.GetValue(readOnly) ? true : null,
                };
                var begun = await session.SendAsync(HttpMethod.Post, Volumes.PathOf(parsed.GetValue(instance)!), body, WireJson.Default.AddVolume, ct);
                return await Waiting.FinishAsync(session, begun, body.Volume!, ended => $"attached to {parsed.GetValue(instance)} as {body.Name}{Waiting.Pending(ended)}", ct);
            });
    }

    public static Verb Detaching(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var volume = new Argument<string>("VOLUME") { Description = "Its name." };
        var name = Choose.Text("--as", "What it is called in its pool from then on; as in the instance when left out.", "NAME");
        return new Verb("detach", "Take a disk out of an instance and keep what is in it; a running VM lets go of it first.", "gantry volume detach web1 data --as archive")
            .With(instance, volume, name).Runs(app, async (parsed, session, ct) =>
            {
                var path = $"{Volumes.PathOf(parsed.GetValue(instance)!)}/{ApiClient.Escape(parsed.GetValue(volume)!)}/detach";
                var begun = await session.SendAsync(HttpMethod.Post, path, new DetachVolume(parsed.GetValue(name)), WireJson.Default.DetachVolume, ct);
                return await Waiting.FinishAsync(session, begun, parsed.GetValue(volume)!, ended => $"detached from {parsed.GetValue(instance)}{Kept(ended)}", ct);
            });
    }

    /// <param name="done">What is said of it then.</param>
    public static async Task<int> PatchAsync(Session session, string? pool, string volume, JsonObject patch, string done, CancellationToken ct)
    {
        using var body = new StringContent(patch.ToJsonString(), Encoding.UTF8, "application/json");
        var begun = await session.SendAsync(HttpMethod.Patch, PathOf(pool, volume), body, ct);
        return await Waiting.FinishAsync(session, begun, volume, done, ct);
    }

    public static Option<string> Pool(App app)
    {
        var pool = Choose.Text("--pool", "Where it lies; in local when left out.", "POOL");
        pool.CompletionSources.Add(context => NamesOfDaemon.Ask(app, context.ParseResult, "/pools").Select(name => new System.CommandLine.Completions.CompletionItem(name)));
        return pool;
    }

    private static void Show(Session session, IReadOnlyList<PoolVolume> volumes)
    {
        var table = new Table("NAME", "STATE", "INSTANCE", ">SIZE", "IMAGE", ">AGE", "DESCRIPTION");
        foreach (var volume in volumes)
        {
            table.Add(volume.Name, Words.Of(volume.State), volume.Instance, Sizes.Format(volume.SizeBytes), volume.Image,
                volume.CreatedAt is { } created ? Words.Ago(created, session.Terminal.Time) : null, volume.Description);
        }

        table.Write(session.Out);
    }

    /// <summary>Where it is then.</summary>
    private static string Kept(Operation ended) =>
        ended.Result is { ValueKind: System.Text.Json.JsonValueKind.Object } result && result.TryGetProperty("pool", out var pool) && result.TryGetProperty("name", out var name)
            ? $"; it is {name.GetString()} in {pool.GetString()}" : "";

    private static (Argument<string> Name, Option<string> Pool) Both(App app) => (Name.Of("volume", app, "/pools/local/volumes"), Pool(app));

    private static string PathOf(string? pool) => $"/pools/{ApiClient.Escape(pool ?? Local)}/volumes";

    private static string PathOf(string? pool, string volume) => $"{PathOf(pool)}/{ApiClient.Escape(volume)}";
}
