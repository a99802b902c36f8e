using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Images;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Images;

namespace Gantry.Daemon.Instances;

/// <summary>What a request for an instance comes to: the layers that had a say, and what they say together.</summary>
/// <param name="Files">Of the image.</param>
internal sealed record SettledRequest(IReadOnlyList<SettingsLayer> Layers, LayeredSettings Layered, Image? Image, ImageFiles? Files)
{
    public InstanceSettings Settings => Layered.Settings;
}

/// <summary>Gathers those who have a say about a new instance: the request, its template and what that stands on, the image, the configured defaults.</summary>
internal sealed partial class InstanceLayers(ImageStore images, LocalNode node, TemplateLayers templates, GantryConfig config)
{
    private const long DefaultVmMemory = 512 * Limits.MiB;
    private const long DefaultMicrovmMemory = 128 * Limits.MiB;

    /// <exception cref="Refusal"><c>template.unknown</c>, <c>image.unknown</c>, <c>image.not_ready</c>, <c>request.invalid</c></exception>
    public async Task<SettledRequest> SettleAsync(CreateInstance asked, CancellationToken ct)
    {
        List<SettingsLayer> layers = [new("request", asked), .. asked.Template is null ? [] : await templates(asked.Template, ct)];
        var above = Checked(asked, layers);
        var image = above.Image is null ? null : await images.GetReadyAsync(above.Image, ct);
        var files = image is null ? null : node.ImageFiles(image.Id);
        var kind = above.Kind ?? image?.DefaultKind ?? InstanceKind.Vm;
        if (image is not null)
        {
            layers.Add(new($"image {image.Name}", OfImage(image, files!, above, kind)));
        }

        layers.Add(new("default", Defaults(above, kind)));
        Checked(asked, layers);
        return new(layers, SettingsLayers.Resolve(layers), image, files);
    }

    private InstanceSettings Checked(CreateInstance asked, IReadOnlyList<SettingsLayer> layers)
    {
        var layered = SettingsLayers.Resolve(layers);
        new Body<CreateInstance>(asked).Checked(_ =>
        [
            .. InstanceRules.OfName(asked.Name),
            .. InstanceRules.Faults(layered.Settings, node.Host).Concat(TooSmall(layered.Settings, layers)).Select(fault => AsAsked(fault, asked, layered)),
        ]);
        return layered.Settings;
    }

    private static InstanceSettings OfImage(Image image, ImageFiles files, InstanceSettings above, InstanceKind kind) => new()
    {
        Kind = image.DefaultKind,
        Architecture = files.Architecture,
        Boot = above.Boot?.Kernel is null && kind == InstanceKind.Vm ? new() { Firmware = files.Firmware } : null,
    };

    private InstanceSettings Defaults(InstanceSettings above, InstanceKind kind) => new()
    {
        Kind = InstanceKind.Vm,
        Driver = config.DefaultDriver,
        Cpus = 1,
        MemoryBytes = kind == InstanceKind.Vm ? DefaultVmMemory : DefaultMicrovmMemory,
        Architecture = node.Host.Guest,
        Boot = new() { Firmware = above.Boot?.Kernel is not null || kind != InstanceKind.Vm ? Firmware.Direct : Firmware.Bios },
        AutoStart = false,
        Clock = ClockBase.Utc,
    };

    private static IEnumerable<Fault> TooSmall(InstanceSettings settings, IReadOnlyList<SettingsLayer> layers)
    {
        foreach (var layer in layers.Where(l => l.Least is not null))
        {
            if (settings.Cpus < layer.Least!.Cpus)
            {
                yield return new("$.cpus", $"{settings.Cpus} is less than {layer.Name} needs ({layer.Least.Cpus})");
            }

            if (settings.MemoryBytes < layer.Least.MemoryBytes)
            {
                yield return new("$.memoryBytes", $"{settings.MemoryBytes} is less than {layer.Name} needs ({layer.Least.MemoryBytes / Limits.MiB} MiB)");
            }
        }
    }

    /// <summary>A fault where its cause stands: in the request at the request's own place, else with the name of who said it.</summary>
    private static Fault AsAsked(Fault fault, CreateInstance asked, LayeredSettings layered)
    {
        var said = layered.Origins.Where(o => o.Key.StartsWith(fault.Path, StringComparison.Ordinal)).Select(o => o.Value).Distinct().ToList();
        var from = said.Count == 0 || said.Contains("request") ? "" : $" (from {said[0]})";
        if (Item().Match(fault.Path) is not { Success: true } match)
        {
            return fault with { Message = fault.Message + from };
        }

        var number = int.Parse(match.Groups["number"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture);
        var at = match.Groups["list"].Value == "volumes"
            ? Place(asked.Volumes, layered.Settings.Volumes!, number, v => v.Name)
            : Place(asked.Nics, layered.Settings.Nics!, number, n => n.Name);
        return at is { } place
            ? new($"$.{match.Groups["list"].Value}[{place}]{match.Groups["rest"].Value}", fault.Message + from)
            : fault with { Message = fault.Message + from };
    }

    /// <summary>Where in a request's own list the item is that stands at <paramref name="number"/> in the merged one: of a name given twice the same one of both.</summary>
    private static int? Place<T>(IReadOnlyList<T>? asked, IReadOnlyList<T> merged, int number, Func<T, string> name)
    {
        var before = merged.Take(number).Count(item => name(item) == name(merged[number]));
        return (asked ?? []).Index().Where(own => name(own.Item) == name(merged[number])).Skip(before).Select(own => (int?)own.Index).FirstOrDefault();
    }

    [GeneratedRegex(@"\A\$\.(?<list>volumes|nics)\[(?<number>[0-9]+)\](?<rest>.*)\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Item();
}
