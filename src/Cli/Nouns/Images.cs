using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry image</c>: what instances are made from.</summary>
internal static class Images
{
    public static Command Build(App app) => new Verb("image", "Build, import, see and delete what instances are made from.", "gantry image build debian", "gantry image import ./server.qcow2", "gantry image list")
        .With(Making(app), ImageImports.Build(app), Capturing(app), List(app), Info(app), Rename(app), Describe(app), Delete(app));

    private static Verb Making(App app)
    {
        string[] recipes = ["micro", "debian", "rootfs"];
        var recipe = new Argument<string>("RECIPE")
        {
            Description = "What to build. micro: Debian's cloud kernel and a busybox initial RAM disk; debian: a Debian server on a disk; rootfs: Debian's minimal root file system with a kernel.",
        };
        recipe.CompletionSources.Add(_ => recipes.Select(r => new System.CommandLine.Completions.CompletionItem(r)));
        var name = Choose.Text("--name", "The image's name. The recipe's own when left out.", "NAME");
        return new Verb("build", "Build an image from Debian packages.", "gantry image build micro", "gantry image build debian --name server")
        {
            More = "The packages come from the mirrors the node's own apt uses. What takes minutes is kept for a week and taken from there the next time.",
        }.With(recipe, name).Runs(app, async (parsed, session, ct) =>
            {
                var body = new BuildImage(parsed.GetValue(recipe)!, parsed.GetValue(name));
                var begun = await session.SendAsync(HttpMethod.Post, "/images:build", body, WireJson.Default.BuildImage, ct);
                return await Waiting.FinishAsync(session, begun, body.Name ?? body.Recipe, "built", ct);
            });
    }

    private static Verb Capturing(App app)
    {
        var name = new Argument<string>("NAME") { Description = "The image's name: 1 to 63 of a-z, 0-9 and '-'." };
        var from = Choose.Text("--from", "The stopped instance whose first disk it is made of; or INSTANCE@SNAPSHOT, of one that may run.", "INSTANCE[@SNAPSHOT]");
        from.Required = true;
        from.CompletionSources.Add(context => NamesOfDaemon.Ask(app, context.ParseResult, "/instances").Select(n => new System.CommandLine.Completions.CompletionItem(n)));
        var description = Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT");
        return new Verb("create", "Make an image of a stopped instance, or of a snapshot.", "gantry image create web-golden --from web1", "gantry image create web-golden --from web1@before-upgrade")
            .With(name, from, description).Runs(app, async (parsed, session, ct) =>
            {
                var (instance, snapshot) = Clones.Source(parsed.GetValue(from)!);
                var body = new CreateImage(parsed.GetValue(name)!, instance, parsed.GetValue(description), snapshot);
                var begun = await session.SendAsync(HttpMethod.Post, "/images", body, WireJson.Default.CreateImage, ct);
                return await Waiting.FinishAsync(session, begun, body.Name, "created", ct);
            });
    }

    private static Verb List(App app)
    {
        var filter = Lists.Filter("state eq ready");
        var limit = Lists.Limit();
        return new Verb("list", "Show the images.", "gantry image list").With(filter, limit).Runs(app, (parsed, session, ct) => Lists.ShowAsync(
            session, "/images", WireJson.Default.PageImage, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit), image => image.Name, images =>
            {
                var table = new Table("NAME", "STATE", "KIND", "ARCH", "BOOT", ">DISK", ">SIZE", ">AGE", "DESCRIPTION");
                foreach (var image in images)
                {
                    table.Add(image.Name, Words.Of(image.State), Words.Of(image.DefaultKind), Words.Of(image.Architecture), Words.Of(image.Firmware),
                        image.DiskBytes is { } disk ? Sizes.Format(disk) : "-", Sizes.Format(image.SizeBytes), Words.Ago(image.CreatedAt, session.Terminal.Time), image.Description);
                }

                table.Write(session.Out);
            }, ct));
    }

    private static Verb Info(App app)
    {
        var name = Name.Of("image", app, "/images");
        return new Verb("info", "Show one image.", "gantry image info micro").With(name).Runs(app, (parsed, session, ct) =>
            session.ShowAsync($"/images/{ApiClient.Escape(parsed.GetValue(name)!)}", WireJson.Default.Image, image => [image.Name], image =>
            {
                var card = new Card()
                    .Add("Name", image.Name)
                    .Add("Id", image.Id.ToString())
                    .Add("State", Words.Of(image.State))
                    .Add("Default kind", Words.Of(image.DefaultKind))
                    .Add("Architecture", Words.Of(image.Architecture))
                    .Add("Boots by", Words.Of(image.Firmware))
                    .Add("Disk", image.DiskBytes is { } disk ? Sizes.Format(disk) : null)
                    .Add("Size", Sizes.Format(image.SizeBytes))
                    .Add("Source", image.Source)
                    .Add("Description", image.Description)
                    .Add("Used by", image.UsedBy is { Count: > 0 } users ? string.Join(", ", users) : null)
                    .Add("Created", Words.Time(image.CreatedAt));
                foreach (var (file, sum) in image.Sha256.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                {
                    card.Add($"SHA-256 of {Words.Clean(file)}", sum);
                }

                card.Write(session.Out);
            }, ct));
    }

    private static Verb Rename(App app)
    {
        var name = Name.Of("image", app, "/images");
        var newName = new Argument<string>("NEW") { Description = "Its new name: 1 to 63 of a-z, 0-9 and '-'." };
        return new Verb("rename", "Give an image another name.", "gantry image rename debian debian-12").With(name, newName).Runs(app, async (parsed, session, ct) =>
        {
            var answer = await session.SendAsync(
                HttpMethod.Post, $"/images/{ApiClient.Escape(parsed.GetValue(name)!)}/rename", new RenameImage(parsed.GetValue(newName)!), WireJson.Default.RenameImage, ct);
            session.Show(answer, WireJson.Default.Image, image => [image.Name], image => session.Out.WriteLine($"{Words.Clean(parsed.GetValue(name)!)} is now {Words.Clean(image.Name)}"));
            return ExitCode.Done;
        });
    }

    private static Verb Describe(App app)
    {
        var name = Name.Of("image", app, "/images");
        var text = new Argument<string>("TEXT") { Description = "For people; at most 1,000 characters. Empty for none." };
        return new Verb("describe", "Say what an image is for.", "gantry image describe web-golden \"The front, as of May\"").With(name, text).Runs(app, async (parsed, session, ct) =>
        {
            var answer = await session.SendAsync(
                HttpMethod.Patch, $"/images/{ApiClient.Escape(parsed.GetValue(name)!)}", new ChangeImage(parsed.GetValue(text)), WireJson.Default.ChangeImage, ct);
            session.Show(answer, WireJson.Default.Image, image => [image.Name], image => session.Out.WriteLine($"{Words.Clean(image.Name)} described"));
            return ExitCode.Done;
        });
    }

    private static Verb Delete(App app)
    {
        var names = Name.Many(app, "/images");
        names.Arity = ArgumentArity.OneOrMore;
        return new Verb("delete", "Delete images.", "gantry image delete micro-test").With(names).Runs(app, (parsed, session, ct) =>
            Waiting.EachAsync(session, parsed.GetValue(names)!, name => session.SendAsync(HttpMethod.Delete, $"/images/{ApiClient.Escape(name)}", null, ct), "deleted", ct));
    }
}
