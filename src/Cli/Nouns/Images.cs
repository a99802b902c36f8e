using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry image</c>: what instances are made from.</summary>
internal static class Images
{
    public static Command Build(App app) => new Verb("image", "Build, see and delete what instances are made from.", "gantry image build micro", "gantry image list")
        .With(Making(app), List(app), Info(app), Delete(app));

    private static Verb Making(App app)
    {
        var recipe = new Argument<string>("RECIPE") { Description = "What to build. micro: Debian's cloud kernel and a busybox initial RAM disk." };
        recipe.CompletionSources.Add(_ => [new("micro")]);
        var name = Choose.Text("--name", "The image's name. The recipe's own when left out.", "NAME");
        return new Verb("build", "Build an image from Debian packages.", "gantry image build micro", "gantry image build micro --name micro-test")
            .With(recipe, name).Runs(app, async (parsed, session, ct) =>
            {
                var body = new BuildImage(parsed.GetValue(recipe)!, parsed.GetValue(name));
                var begun = await session.SendAsync(HttpMethod.Post, "/images:build", body, WireJson.Default.BuildImage, ct);
                return await Waiting.FinishAsync(session, begun, body.Name ?? body.Recipe, "built", ct);
            });
    }

    private static Verb List(App app)
    {
        var filter = Lists.Filter("state eq ready");
        var limit = Lists.Limit();
        return new Verb("list", "Show the images.", "gantry image list").With(filter, limit).Runs(app, (parsed, session, ct) => Lists.ShowAsync(
            session, "/images", WireJson.Default.PageImage, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit), image => image.Name, images =>
            {
                var table = new Table("NAME", "STATE", "KIND", ">SIZE", ">AGE", "DESCRIPTION");
                foreach (var image in images)
                {
                    table.Add(image.Name, Words.Of(image.State), Words.Of(image.DefaultKind), Sizes.Format(image.SizeBytes),
                        Words.Ago(image.CreatedAt, session.Terminal.Time), image.Description);
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
                    .Add("Size", Sizes.Format(image.SizeBytes))
                    .Add("Description", image.Description)
                    .Add("Created", Words.Time(image.CreatedAt));
                foreach (var (file, sum) in image.Sha256.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                {
                    card.Add($"SHA-256 of {Words.Clean(file)}", sum);
                }

                card.Write(session.Out);
            }, ct));
    }

    private static Verb Delete(App app)
    {
        var names = Name.Many(app, "/images");
        names.Arity = ArgumentArity.OneOrMore;
        return new Verb("delete", "Delete images.", "gantry image delete micro-test").With(names).Runs(app, async (parsed, session, ct) =>
        {
            var given = parsed.GetValue(names)!;
            var worst = ExitCode.Done;
            foreach (var name in given)
            {
                try
                {
                    var begun = await session.SendAsync(HttpMethod.Delete, $"/images/{ApiClient.Escape(name)}", null, ct);
                    worst = Math.Max(worst, await Waiting.FinishAsync(session, begun, name, "deleted", ct));
                }
                catch (Refusal refusal) when (given.Length > 1 && refusal.Status != 0)
                {
                    worst = Math.Max(worst, Errors.PrintLine(session.Terminal, name, refusal));
                }
            }

            return worst;
        });
    }
}
