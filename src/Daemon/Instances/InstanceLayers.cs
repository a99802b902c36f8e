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
internal sealed class InstanceLayers(ImageStore images, LocalNode node, TemplateLayers templates, GantryConfig config)
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
        new Body<CreateInstance>(asked).Checked(_ => [.. TextRules.Name("$.name", asked.Name), .. SettingsFaults.Of(asked, layers, node.Host)]);
        return SettingsLayers.Resolve(layers).Settings;
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
}
