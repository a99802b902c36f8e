using System.CommandLine;
using System.Text;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry volume</c>: the disks of an instance, and its drives for discs.</summary>
internal static class Volumes
{
    public static Command Build(App app) => new Verb(
        "volume", "The disks of instances, and those that belong to none.", "gantry volume list web1", "gantry volume add web1 data --size 20GiB",
        "gantry volume create archive --size 200GiB --pool big", "gantry volume attach web1 data --volume archive --pool big")
        .With(PoolVolumes.List(app), Adding(app), Resizing(app), Limiting(app), Moving(app), Removing(app), PoolVolumes.Attaching(app), PoolVolumes.Detaching(app),
            PoolVolumes.Creating(app), PoolVolumes.Info(app), PoolVolumes.Renaming(app), PoolVolumes.Describing(app), PoolVolumes.Deleting(app));

    public static Task<int> ShowAsync(Session session, string instance, CancellationToken ct) =>
        session.ShowAsync(PathOf(instance), WireJson.Default.PageVolume, page => page.Items.Select(v => v.Name), page =>
    {
        var table = new Table("NAME", "DEVICE", "POOL", ">SIZE", "BUS", "CACHE", "CONTENT", "LIMITS");
        foreach (var volume in page.Items)
        {
            table.Add(volume.Name, Words.Of(volume.Device ?? VolumeDevice.Disk), volume.Pool, volume.SizeBytes is { } size ? Sizes.Format(size) : null, Word(volume.Bus), Word(volume.Cache),
                volume.Image ?? volume.Path ?? Word(volume.Generated), Said(volume.Limits));
        }

        table.Write(session.Out);
    }, ct);

    public static string PathOf(string instance) => $"/instances/{ApiClient.Escape(instance)}/volumes";

    private static Verb Adding(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var volume = new Argument<string>("VOLUME") { Description = "Its name in the instance, and its serial number: 1 to 20 of a-z, 0-9 and '-'." };
        var size = Choose.Size("--size", "How large it is. When left out, as large as its image, or 10 GiB.");
        var pool = Choose.Text("--pool", "Where it lies; in local when left out.", "POOL");
        var image = Choose.Text("--image", "It begins as this image.", "IMAGE");
        var bus = Choose.Optional<VolumeBus>("--bus", "How the guest sees it; by virtio when left out.");
        var cache = Choose.Optional<VolumeCache>("--cache", "What the host does with what the guest writes; writeback when left out.");
        var readOnly = Choose.Flag("--read-only", "The guest cannot write to it.");
        return new Verb("add", "Make a disk and put it into an instance; a running VM gets it at once.", "gantry volume add web1 data --size 20GiB --pool fast")
            .With(instance, volume, size, pool, image, bus, cache, readOnly).Runs(app, async (parsed, session, ct) =>
            {
                var body = new Volume
                {
                    Name = parsed.GetValue(volume)!,
                    SizeBytes = parsed.GetValue(size),
                    Pool = parsed.GetValue(pool),
                    Image = parsed.GetValue(image),
                    Bus = parsed.GetValue(bus),
                    Cache = parsed.GetValue(cache),
                    ReadOnly = parsed.GetValue(readOnly) ? true : null,
                };
                var begun = await session.SendAsync(HttpMethod.Post, PathOf(parsed.GetValue(instance)!), body, WireJson.Default.Volume, ct);
                return await Waiting.FinishAsync(session, begun, body.Name, ended => $"added to {parsed.GetValue(instance)}{Waiting.Pending(ended)}", ct);
            });
    }

    private static Verb Resizing(App app)
    {
        var which = new Argument<string[]>("[INSTANCE] VOLUME SIZE")
        {
            Description = $"The instance's name or id, and the volume's name there; or that alone of one that belongs to none. Then how large it is to be: {Sizes.Accepted}.",
            Arity = new(2, 3),
        };
        which.CompletionSources.Add(context => NamesOfDaemon.Ask(app, context.ParseResult, "/instances").Select(name => new System.CommandLine.Completions.CompletionItem(name)));
        var pool = PoolVolumes.Pool(app);
        pool.Description = "Where one lies that belongs to no instance; in local when left out.";
        return new Verb("resize", "Make a disk larger, while its guest uses it too; what is in it stays.", "gantry volume resize web1 data 40GiB",
                "gantry volume resize archive 400GiB --pool big")
            .With(which, pool).Runs(app, (parsed, session, ct) =>
            {
                var (given, place) = (parsed.GetValue(which)!, parsed.GetValue(pool));
                var bytes = Sizes.TryParse(given[^1], out var wanted) ? wanted : throw new WrongUseException($"'{given[^1]}' is no size.", $"Accepted is {Sizes.Accepted}.");
                var (patch, done) = (new JsonObject { ["sizeBytes"] = bytes }, $"now {Sizes.Format(bytes)}");
                return given switch
                {
                    [var volume, _] => PoolVolumes.PatchAsync(session, place, volume, patch, done, ct),
                    [var instance, var volume, _] when place is null => PatchAsync(session, instance, volume, patch, done, ct),
                    _ => throw new WrongUseException("--pool is for a volume that belongs to no instance.", "Leave out the instance, or the pool."),
                };
            });
    }

    private static Verb Limiting(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var volume = new Argument<string>("VOLUME") { Description = "Its name." };
        (Option<string> Option, string Field)[] all =
        [
            (Choose.Text("--read", "Read each second: 100MiB; off for no limit. As it is when left out.", "SIZE"), "readBytesPerSecond"),
            (Choose.Text("--write", "Written each second, likewise.", "SIZE"), "writeBytesPerSecond"),
            (Choose.Text("--read-ops", "Reads each second, likewise.", "N"), "readOperationsPerSecond"),
            (Choose.Text("--write-ops", "Writes each second, likewise.", "N"), "writeOperationsPerSecond"),
        ];
        return new Verb("limit", "Limit what an instance reads and writes, at once.", "gantry volume limit web1 data --write 50MiB", "gantry volume limit web1 data --write off")
            .With([instance, volume, .. all.Select(o => o.Option)]).Runs(app, (parsed, session, ct) =>
            {
                var limits = new JsonObject();
                foreach (var (option, field) in all)
                {
                    if (parsed.GetValue(option) is { } text)
                    {
                        limits[field] = text == "off" ? null : Sizes.TryParse(text, out var most) ? most
                            : throw new WrongUseException($"'{text}' does not do for {option.Name}.", $"Accepted is {Sizes.Accepted}, or off.");
                    }
                }

                return limits.Count == 0 ? throw new WrongUseException("Nothing to change was given.", "See `gantry volume limit --help`.")
                    : PatchAsync(session, parsed.GetValue(instance)!, parsed.GetValue(volume)!, new() { ["limits"] = limits }, "limited", ct);
            });
    }

    private static Verb Moving(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var volume = new Argument<string>("VOLUME") { Description = "Its name." };
        var pool = Name.Fill(new Argument<string>("POOL"), "Where it is to lie.", app, "/pools");
        return new Verb("move", "Move a disk to another pool, while its guest uses it too.", "gantry volume move web1 data fast").With(instance, volume, pool)
            .Runs(app, async (parsed, session, ct) =>
            {
                var path = $"{PathOf(parsed.GetValue(instance)!)}/{ApiClient.Escape(parsed.GetValue(volume)!)}/move";
                var begun = await session.SendAsync(HttpMethod.Post, path, new MoveVolume(parsed.GetValue(pool)!), WireJson.Default.MoveVolume, ct);
                return await Waiting.FinishAsync(session, begun, parsed.GetValue(volume)!, $"moved to {parsed.GetValue(pool)}", ct);
            });
    }

    private static Verb Removing(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var volume = new Argument<string>("VOLUME") { Description = "Its name." };
        return new Verb("remove", "Take a volume out of an instance and delete all that is in it.", "gantry volume remove web1 data").With(instance, volume).Runs(app, async (parsed, session, ct) =>
        {
            var name = parsed.GetValue(volume)!;
            var begun = await session.SendAsync(HttpMethod.Delete, $"{PathOf(parsed.GetValue(instance)!)}/{ApiClient.Escape(name)}", null, ct);
            return await Waiting.FinishAsync(session, begun, name, $"removed from {parsed.GetValue(instance)}", ct);
        });
    }

    private static async Task<int> PatchAsync(Session session, string instance, string volume, JsonObject patch, string done, CancellationToken ct)
    {
        using var body = new StringContent(patch.ToJsonString(), Encoding.UTF8, "application/json");
        var begun = await session.SendAsync(HttpMethod.Patch, $"{PathOf(instance)}/{ApiClient.Escape(volume)}", body, ct);
        return await Waiting.FinishAsync(session, begun, volume, ended => $"{done}{Waiting.Pending(ended)}", ct);
    }

    private static string? Word<T>(T? value)
        where T : struct, Enum => value is { } one ? Words.Of(one) : null;

    private static string? Said(VolumeLimits? limits)
    {
        string?[] parts =
        [
            limits?.ReadBytesPerSecond is { } read ? $"{Sizes.Format(read)}/s read" : null,
            limits?.WriteBytesPerSecond is { } write ? $"{Sizes.Format(write)}/s written" : null,
            limits?.ReadOperationsPerSecond is { } reads ? $"{reads} reads/s" : null,
            limits?.WriteOperationsPerSecond is { } writes ? $"{writes} writes/s" : null,
        ];
        return parts.Any(p => p is not null) ? string.Join(", ", parts.OfType<string>()) : null;
    }
}
