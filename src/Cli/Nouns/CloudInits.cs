using System.CommandLine;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry cloud-init</c>: what an instance's guest is told at its first start.</summary>
internal static class CloudInits
{
    public static Command Build(App app) => new Verb("cloud-init", "See, set and remove what cloud-init tells the guest of an instance.",
        "gantry cloud-init show web1", "gantry cloud-init set web1 --user ann --ssh-key ~/.ssh/id_ed25519.pub", "gantry cloud-init remove web1").With(Showing(app), Setting(app), Removing(app));

    private static Verb Showing(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        return new Verb("show", "Show what it is told; of passwords only that there is one.", "gantry cloud-init show web1", "gantry cloud-init show web1 -o json > told.json").With(instance).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(instance)!), WireJson.Default.CloudInit, _ => [parsed.GetValue(instance)!], settings => Write(session, settings), ct));
    }

    private static Verb Setting(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var settings = Choose.Text("--settings", "All of it as JSON, as show -o json has it; - reads standard input. Options win over it.", "FILE");
        var input = new CloudInitInput();
        return new Verb("set", "Set what it is told, in place of what it was told before. The guest acts on it at its next start, as at a first one.",
            "gantry cloud-init set web1 --cloud-init user-data.yaml", "gantry cloud-init set web1 --user ann --password-stdin < password", "gantry cloud-init set web1 --settings told.json")
            .With([instance, settings, .. input.Options]).Runs(app, async (parsed, session, ct) =>
            {
                input.DemandOneReader(parsed, parsed.GetValue(settings));
                var given = await input.ReadAsync(parsed, session, ct);
                if (given is null && parsed.GetValue(settings) is null)
                {
                    throw new WrongUseException("Nothing to set was given.", "See `gantry cloud-init set --help`.");
                }

                var whole = SettingsInput.Over(await SettingsInput.ReadAsync(session, parsed.GetValue(settings), ct), SettingsInput.Of(given ?? new(), WireJson.Default.CloudInit));
                using var body = new StringContent(whole.ToJsonString(), Encoding.UTF8, "application/json");
                var begun = await session.SendAsync(HttpMethod.Put, PathOf(parsed.GetValue(instance)!), body, ct);
                return await Waiting.FinishAsync(session, begun, parsed.GetValue(instance)!, ended => $"told anew{Pending(ended)}", ct);
            });
    }

    private static Verb Removing(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        return new Verb("remove", "Tell it nothing more, and take its disc away.", "gantry cloud-init remove web1").With(instance).Runs(app, async (parsed, session, ct) =>
        {
            var begun = await session.SendAsync(HttpMethod.Delete, PathOf(parsed.GetValue(instance)!), null, ct);
            return await Waiting.FinishAsync(session, begun, parsed.GetValue(instance)!, ended => $"is told nothing more{Pending(ended)}", ct);
        });
    }

    /// <summary>Fields as YAML, raw texts as they are.</summary>
    private static void Write(Session session, CloudInit settings)
    {
        using var fields = JsonSerializer.SerializeToDocument(settings with { UserData = null, NetworkConfig = null, VendorData = null }, WireJson.Default.CloudInit);
        if (fields.RootElement.EnumerateObject().Any())
        {
            Yaml.Write(session.Out, fields.RootElement);
        }

        foreach (var (name, raw) in ((string, string?)[])[("user-data", settings.UserData), ("network-config", settings.NetworkConfig), ("vendor-data", settings.VendorData)])
        {
            if (raw is not null)
            {
                session.Out.WriteLine($"{name}:");
                session.WriteNames(raw.TrimEnd('\n').Split('\n').Select(line => $"  {line.TrimEnd('\r').Replace("\t", "    ", StringComparison.Ordinal)}"));
            }
        }
    }

    private static string Pending(Operation ended) =>
        ended.Result is { ValueKind: JsonValueKind.Object } result && result.TryGetProperty("pending", out var why) && why.ValueKind == JsonValueKind.String ? $"; at its next start: {why.GetString()}" : "";

    private static string PathOf(string instance) => $"/instances/{ApiClient.Escape(instance)}/cloud-init";
}
