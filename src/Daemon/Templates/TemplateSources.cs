using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Host;

namespace Gantry.Daemon.Templates;

/// <summary>What a new template begins as: nothing, another one, or an instance.</summary>
internal sealed class TemplateSources(TemplateStore store, InstanceStore instances, LocalNode node)
{
    /// <exception cref="Refusal"><c>template.unknown</c>, <c>instance.unknown</c>, <c>template.name_taken</c>, <c>request.invalid</c></exception>
    public async Task<StoredTemplate> NewAsync(Body<CreateTemplate> body, CancellationToken ct)
    {
        var wanted = body.Checked(TemplateRules.Faults);
        if (BuiltInTemplates.All.ContainsKey(wanted.Name))
        {
            throw TemplateErrors.NameReserved(wanted.Name);
        }

        var from = wanted.From switch
        {
            { Template: { } template } => await store.GetAsync(template, ct),
            { Instance: { } instance } => await OfAsync(await instances.GetAsync(instance, ct), ct),
            _ => new(default, "", null, null, new(), Version: 1),
        };
        var own = CloudInitPasswords.Hashed(wanted.Settings ?? new(), "$.settings.cloudInit");
        body.Checked(_ => TemplateRules.Faults(own, [new("request", own), .. from.Layers], node.Host));
        return new(
            Id<Template>.New(), wanted.Name, wanted.Description ?? (from.IsBuiltIn ? null : from.Description),
            from.IsBuiltIn ? from.Name : from.Base,
            from.IsBuiltIn ? own : SettingsLayers.Resolve([new("request", own), new("source", from.Settings)]).Settings,
            Version: 1);
    }

    private async Task<StoredTemplate> OfAsync(Instance instance, CancellationToken ct) =>
        new(default, instance.Name, null, null, SettingsOf.Instance(instance, (await instances.CloudInitAsync(instance.Id, ct))?.Settings, node.Host), Version: 1);
}

/// <summary>What a template must keep to.</summary>
internal static class TemplateRules
{
    public static IEnumerable<Fault> Faults(CreateTemplate body)
    {
        foreach (var fault in OfNotes(body.Name, body.Description))
        {
            yield return fault;
        }

        if (body.From is { Template: null, Instance: null } or { Template: not null, Instance: not null })
        {
            yield return new("$.from", "name one of both, a template or an instance");
        }
    }

    /// <summary>Of a template as it is to be.</summary>
    public static IEnumerable<Fault> Faults(ChangeTemplate body, StoredTemplate template, HostFacts host)
    {
        var own = body.Settings ?? new();
        return [.. OfNotes(body.Name, body.Description), .. Faults(own, (template with { Name = body.Name, Settings = own }).Layers, host)];
    }

    /// <param name="asked">The strongest of the layers.</param>
    public static IEnumerable<Fault> Faults(InstanceSettings asked, IReadOnlyList<SettingsLayer> layers, HostFacts host) =>
        SettingsFaults.Of(asked, layers, host).Select(fault => fault with { Path = $"$.settings{fault.Path[1..]}" });

    private static IEnumerable<Fault> OfNotes(string name, string? description) =>
        [.. TextRules.Name("$.name", name), .. TextRules.Description(description)];
}
