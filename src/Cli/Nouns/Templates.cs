using System.CommandLine;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry template</c>: settings under a name.</summary>
internal static class Templates
{
    private const string Path = "/templates";

    public static Command Build(App app) => new Verb("template", "Keep settings under a name, and see those that come with Gantry.", "gantry template list", "gantry launch --template windows win1")
        .With(List(app), Info(app), Save(app), Copy(app), Creating(app), Edit(app), Delete(app));

    private static Verb List(App app)
    {
        var filter = Lists.Filter("builtIn eq false");
        var limit = Lists.Limit();
        return new Verb("list", "Show the templates.", "gantry template list").With(filter, limit).Runs(app, (parsed, session, ct) => Lists.ShowAsync(
            session, Path, WireJson.Default.PageTemplate, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit), template => template.Name, templates =>
            {
                var table = new Table("NAME", "KIND", ">CPUS", ">MEMORY", "IMAGE", "BASE", ">AGE", "DESCRIPTION");
                foreach (var template in templates)
                {
                    var settings = template.Settings;
                    table.Add(template.Name, settings.Kind is { } kind ? Words.Of(kind) : null, settings.Cpus?.ToString(CultureInfo.InvariantCulture),
                        settings.MemoryBytes is { } memory ? Sizes.Format(memory) : null, settings.Image, template.Base,
                        template.CreatedAt is { } created ? Words.Ago(created, session.Terminal.Time) : "built in", template.Description);
                }

                table.Write(session.Out);
            }, ct));
    }

    private static Verb Info(App app)
    {
        var name = Name.Of("template", app, Path);
        return new Verb("info", "Show one template: each setting, and where it comes from.", "gantry template info linux").With(name).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(name)!), WireJson.Default.Template, template => [template.Name], template =>
            {
                new Card()
                    .Add("Name", template.Name)
                    .Add("Id", template.Id.ToString())
                    .Add("Built in", template.BuiltIn ? "yes" : null)
                    .Add("Base", template.Base)
                    .Add("Description", template.Description)
                    .Add("At least", template.Least is { } least ? $"{least.Cpus} CPUs, {Sizes.Format(least.MemoryBytes)}" : null)
                    .Add("Created", template.CreatedAt is { } created ? Words.Time(created) : null)
                    .Add("Updated", template.UpdatedAt is { } updated ? Words.Time(updated) : null)
                    .Write(session.Out);
                session.Out.WriteLine();
                SettingsTable.Write(session, template.Settings, template.Origins);
            }, ct));
    }

    private static Verb Save(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        return Making(app, new Verb("save", "Make a template of an instance, without what is its own.", "gantry template save web1 web"), "saved",
            instance, parsed => new(Instance: parsed.GetValue(instance)));
    }

    private static Verb Copy(App app)
    {
        var template = Name.Of("template", app, Path);
        return Making(app, new Verb("copy", "Make a template of another one.", "gantry template copy linux web --set cpus=2 --set labels.tier=front"), "copied",
            template, parsed => new(Template: parsed.GetValue(template)));
    }

    private static Verb Creating(App app) => Making(app, new Verb("create", "Make a template of settings alone.",
        "gantry template create small --set kind=vm --set memoryBytes=256MiB", "gantry template create web --settings web.json"), "created", null, _ => null);

    private static Verb Making(App app, Verb verb, string done, Argument<string>? source, Func<ParseResult, TemplateSource?> from)
    {
        var name = new Argument<string>("NAME") { Description = "The name it gets: 1 to 63 of a-z, 0-9 and '-'." };
        var (description, file, sets) = (Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT"), SettingsInput.File(), SettingsInput.Sets());
        return verb.With([.. source is null ? (Symbol[])[] : [source], name, description, file, sets]).Runs(app, async (parsed, session, ct) =>
        {
            var settings = await SettingsInput.ReadAsync(session, parsed.GetValue(file), ct);
            foreach (var assignment in parsed.GetValue(sets) ?? [])
            {
                SettingPath.Set(settings, assignment);
            }

            var body = SettingsInput.Of(new() { Name = parsed.GetValue(name)!, Description = parsed.GetValue(description), From = from(parsed) }, WireJson.Default.CreateTemplate);
            body["settings"] = settings;
            Tell(session, await session.SendAsync(HttpMethod.Post, Path, Content(body), ct), done);
            return ExitCode.Done;
        });
    }

    private static Verb Edit(App app)
    {
        var name = Name.Of("template", app, Path);
        var (file, sets) = (SettingsInput.File(), SettingsInput.Sets());
        var unset = new Option<string[]>("--unset") { HelpName = "PATH", Description = "Take a setting away, so that its base's holds again: memory.numa, volumes[data]. May be given several times." };
        var description = Choose.Text("--description", "For people; an empty one takes it away.", "TEXT");
        var rename = Choose.Text("--rename", "Its new name.", "NEW");
        return new Verb("edit", "Change a template; instances made from it stay as they are.",
            "gantry template edit web --set cpus=4 --unset description", "gantry template edit web --rename front")
            .With(name, description, rename, file, sets, unset).Runs(app, async (parsed, session, ct) =>
            {
                var path = PathOf(parsed.GetValue(name)!);
                var read = Session.Read(await session.SendAsync(HttpMethod.Get, path, null, ct), WireJson.Default.Template);
                var current = SettingsInput.Of(read.Settings, WireJson.Default.InstanceSettings);
                var settings = await SettingsInput.ReadAsync(session, parsed.GetValue(file), ct);
                foreach (var list in (string[])["volumes", "nics"])
                {
                    // A merge patch replaces a list whole, so it is sent with what was there.
                    if (settings[list] is JsonArray changed && current[list] is JsonArray before)
                    {
                        settings[list] = SettingsInput.Over(new() { [list] = before.DeepClone() }, new() { [list] = changed.DeepClone() })[list]!.DeepClone();
                    }
                }

                foreach (var assignment in parsed.GetValue(sets) ?? [])
                {
                    SettingPath.Set(settings, assignment, current);
                }

                foreach (var gone in parsed.GetValue(unset) ?? [])
                {
                    SettingPath.Unset(settings, gone, current);
                }

                var patch = new JsonObject { ["settings"] = settings };
                if (parsed.GetValue(description) is { } text)
                {
                    patch["description"] = text.Length == 0 ? null : text;
                }

                if (parsed.GetValue(rename) is { } wanted)
                {
                    patch["name"] = wanted;
                }

                using var answer = await session.Api.SendAsync(HttpMethod.Patch, path, Content(patch), ifMatch: read.Etag, ct: ct);
                Tell(session, await answer.Content.ReadAsByteArrayAsync(ct), "changed");
                return ExitCode.Done;
            });
    }

    private static Verb Delete(App app)
    {
        var names = Name.Many(app, Path);
        names.Arity = ArgumentArity.OneOrMore;
        return new Verb("delete", "Delete templates; instances made from them stay.", "gantry template delete web").With(names).Runs(app, async (parsed, session, ct) =>
        {
            var given = parsed.GetValue(names)!;
            var worst = ExitCode.Done;
            foreach (var name in given)
            {
                try
                {
                    await session.SendAsync(HttpMethod.Delete, PathOf(name), null, ct);
                    session.Out.WriteLine(session.Quiet ? Words.Clean(name) : $"{Words.Clean(name)} deleted");
                }
                catch (Refusal refusal) when (given.Length > 1 && refusal.Status != 0)
                {
                    worst = Math.Max(worst, Errors.PrintLine(session.Terminal, name, refusal));
                }
            }

            return worst;
        });
    }

    private static void Tell(Session session, byte[] answer, string done) => session.Show(
        answer, WireJson.Default.Template, template => [template.Name], template => session.Out.WriteLine($"{Words.Clean(template.Name)} {done}"));

    private static string PathOf(string name) => $"{Path}/{ApiClient.Escape(name)}";

    private static StringContent Content(JsonObject body) => new(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
}
