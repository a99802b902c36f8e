using System.CommandLine;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>Changing an instance: rename, resize, set.</summary>
internal static class Changes
{
    public static Command Rename(App app)
    {
        var name = Name.Of("instance", app, "/instances");
        var newName = new Argument<string>("NEW-NAME") { Description = "The name it gets: 1 to 63 of a-z, 0-9 and '-'." };
        return new Verb("rename", "Give an instance another name.", "gantry rename web1 front1")
        {
            More = "A running one may be renamed; its guest learns of it at its next start.",
        }.With(name, newName).Runs(app, async (parsed, session, ct) =>
        {
            var (old, next) = (parsed.GetValue(name)!, parsed.GetValue(newName)!);
            var begun = await session.SendAsync(
                HttpMethod.Post, $"/instances/{ApiClient.Escape(old)}/rename", new RenameInstance(next), WireJson.Default.RenameInstance, ct);
            return await Waiting.FinishAsync(session, begun, old, $"renamed to {Words.Clean(next)}", ct);
        });
    }

    public static Command Resize(App app)
    {
        var name = Name.Of("instance", app, "/instances");
        var cpus = Choose.Number("--cpus", "How many CPUs.", least: 1);
        var memory = Choose.Size("--memory", "How much memory: 128MiB, 1GiB.");
        var nextStart = Choose.Flag("--next-start", "Leave a running one as it is, and store it for its next start.");
        return new Verb("resize", "Give an instance other CPUs or memory.", "gantry resize web1 --cpus 4", "gantry resize web1 --memory 2GiB --next-start")
        {
            More = "A running one is resized at once as far as its kind and its guest can; what cannot be done now is stored for its next start, and said.",
        }.With(name, cpus, memory, nextStart).Runs(app, async (parsed, session, ct) =>
        {
            if (parsed.GetValue(cpus) is null && parsed.GetValue(memory) is null)
            {
                throw new WrongUseException("`gantry resize` needs a size.", "Give --cpus, --memory, or both.");
            }

            var one = parsed.GetValue(name)!;
            var body = new ResizeInstance(Launch.Cpus(parsed.GetValue(cpus)), parsed.GetValue(memory), parsed.GetValue(nextStart));
            var begun = await session.SendAsync(HttpMethod.Post, $"/instances/{ApiClient.Escape(one)}/resize", body, WireJson.Default.ResizeInstance, ct);
            return await Waiting.FinishAsync(session, begun, one, Told, ct);
        });
    }

    public static Command Set(App app)
    {
        var name = Name.Of("instance", app, "/instances");
        var description = Choose.Text("--description", "For people; an empty one takes it away.", "TEXT");
        var label = new Option<string[]>("--label") { Description = "A label to add or replace; may be given several times.", HelpName = "KEY=VALUE" };
        var unlabel = new Option<string[]>("--remove-label") { Description = "A label to take away; may be given several times.", HelpName = "KEY" };
        var autoStart = new Option<bool?>("--auto-start") { Description = "Whether it starts when the host has booted.", HelpName = "true|false" };
        var template = new Option<bool?>("--template") { Description = "Whether it is a template: there to be cloned, and not started. It must be stopped.", HelpName = "true|false" };
        return new Verb("set", "Change what is noted about an instance.",
            "gantry set web1 --description \"front of the shop\"", "gantry set web1 --label tier=front --remove-label old", "gantry set web1 --auto-start false")
            .With(name, description, label, unlabel, autoStart, template).Runs(app, async (parsed, session, ct) =>
        {
            var patch = new JsonObject();
            if (parsed.GetValue(description) is { } text)
            {
                patch["description"] = text.Length == 0 ? null : text;
            }

            var labels = new JsonObject(Launch.Labels(parsed.GetValue(label) ?? [])?.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)) ?? []);
            foreach (var key in parsed.GetValue(unlabel) ?? [])
            {
                labels[key] = null;
            }

            if (labels.Count > 0)
            {
                patch["labels"] = labels;
            }

            if (parsed.GetValue(autoStart) is { } starts)
            {
                patch["autoStart"] = starts;
            }

            if (parsed.GetValue(template) is { } isTemplate)
            {
                patch["template"] = isTemplate;
            }

            if (patch.Count == 0)
            {
                throw new WrongUseException("`gantry set` needs something to change.", "Give --description, --label, --remove-label, --auto-start or --template.");
            }

            var one = parsed.GetValue(name)!;
            using var body = new StringContent(patch.ToJsonString(), Encoding.UTF8, "application/merge-patch+json");
            session.Show(
                await session.SendAsync(HttpMethod.Patch, $"/instances/{ApiClient.Escape(one)}", body, ct), WireJson.Default.Instance,
                instance => [instance.Name], instance => session.Out.WriteLine($"{Words.Clean(instance.Name)} changed"));
            return ExitCode.Done;
        });
    }

    /// <summary>What a resize came to, from the operation's result.</summary>
    private static string Told(Operation operation)
    {
        if (operation.Result is not { ValueKind: JsonValueKind.Object } result || !result.TryGetProperty("pending", out var stored) || stored.ValueKind != JsonValueKind.Object)
        {
            return "resized";
        }

        var pending = stored.Deserialize(WireJson.Default.PendingResize)!;
        return $"will have {Describe(pending)} at its next start. {Words.Clean(pending.Reason ?? "")}".TrimEnd();
    }

    /// <summary><c>4 CPUs and 2 GiB</c>.</summary>
    public static string Describe(PendingResize pending) => string.Join(" and ", new[]
    {
        pending.Cpus is { } cpus ? $"{cpus} CPU{(cpus == 1 ? "" : "s")}" : null,
        pending.MemoryBytes is { } memory ? $"{Sizes.Format(memory)} of memory" : null,
    }.OfType<string>());
}
