using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Instances;

namespace Gantry.Node;

/// <summary>What a control plane may ask about images.</summary>
public sealed partial class LocalNode
{
    /// <summary>Makes an image by a recipe. Making one that is there already changes nothing and says what is there.</summary>
    /// <exception cref="Refusal"><c>image.recipe_unknown</c>, <c>image.packages_unavailable</c></exception>
    public Task<ImageFiles> BuildImageAsync(Id<Image> id, string recipe, Action<Progress> report, CancellationToken ct) => _builder.BuildAsync(id, recipe, report, ct);

    /// <exception cref="Refusal"><c>image.recipe_unknown</c></exception>
    public void DemandRecipe(string recipe) => _builder.Recipe(recipe);

    /// <summary>Keeps the address of a disk for the import that follows; answers with what of it may be shown.</summary>
    /// <exception cref="Refusal"><c>image.url_refused</c>, <c>image.address_refused</c></exception>
    public string KeepImageAddress(Id<Image> id, string url) => _importer.KeepAddress(id, url);

    /// <summary>Keeps a disk that is being sent for the import that follows.</summary>
    /// <exception cref="Refusal"><c>image.too_large</c>, <c>image.no_space</c></exception>
    public Task KeepImageUploadAsync(Id<Image> id, Stream body, CancellationToken ct) => _importer.KeepUploadAsync(id, body, ct);

    /// <summary>Brings the bytes of an image onto the node; what is there already stays, and a download goes on where it broke off.</summary>
    public Task FetchImageAsync(Id<Image> id, ImportPlan plan, Action<Progress> report, CancellationToken ct) => _importer.FetchAsync(id, plan, report, ct);

    /// <summary>Makes the image of what was brought in: looked at, converted, whole.</summary>
    public Task<ImageFiles> ConvertImageAsync(Id<Image> id, ImportPlan plan, Action<Progress> report, CancellationToken ct) => _importer.ConvertAsync(id, plan, report, ct);

    /// <summary>Images that are being made here, or were when a daemon ended.</summary>
    public IReadOnlyList<Id<Image>> ImageWorkshops() => _importer.Workshops();

    /// <summary>Makes an image of a stopped instance's disk and the base under it.</summary>
    public Task<ImageFiles> CaptureImageAsync(Id<Image> id, CapturePlan plan, Action<Progress> report, CancellationToken ct) => new ImageCapture(Context).CaptureAsync(id, plan, report, ct);

    /// <summary>The first disk of an instance's volumes: the layer that is written to, and what lies under it.</summary>
    /// <exception cref="Refusal"><c>image.no_disk</c>, <c>volume.missing</c>, <c>volume.damaged</c></exception>
    public async Task<IReadOnlyList<DiskFile>> FirstDiskAsync(Id<Instance> id, string name, CancellationToken ct)
    {
        var volume = Context.Folders.Read(id).Volumes?.FirstOrDefault(v => v.Device == VolumeDevice.Disk) ?? throw ImageErrors.NoDisk(name);
        var disk = await Context.Pools.Of(volume.Pool).FindAsync(new($"{id}", volume.Name), ct);
        return [.. disk.Layers.Select(l => new DiskFile(l.Path, l.Format switch
        {
            Pools.DiskFormat.Raw => DiskFile.Raw,
            Pools.DiskFormat.Device => DiskFile.Device,
            _ => DiskFile.Qcow2,
        }))];
    }

    /// <summary>What an image is made of.</summary>
    /// <exception cref="Refusal"><c>image.files_missing</c></exception>
    public ImageFiles ImageFiles(Id<Image> id) => ImageFolders.Read(Context.Root, id);

    /// <summary>Removes an image's files; those of one that is not there are removed already.</summary>
    public Task RemoveImageAsync(Id<Image> id, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        ImageFolders.Remove(Context.Root, id);
        return Task.CompletedTask;
    }
}
