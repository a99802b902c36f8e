using Gantry.Contracts;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Images;

/// <summary>A node that imports into a root of its own.</summary>
internal sealed class ImportRig : IAsyncDisposable
{
    private readonly LocalNode _node;

    public ImportRig(ImageSettings? settings = null) => _node = new(Root.Context, images: settings);

    public TestRoot Root { get; } = new();

    public LocalNode Node => _node;

    public string Folder { get; } = Directory.CreateTempSubdirectory("gantry-tests-disks-").FullName;

    public Id<Image> Id { get; } = Id<Image>.New();

    public string Disk => ImageFolders.Disk(Root.Context.Root, Id);

    public List<Progress> Reported { get; } = [];

    public static ImportPlan Plan(string? path, DiskFormat? format = null, string? sha256 = null) => new(
        "a test", path, HasDisk: true, sha256, format, Firmware.Bios, InstanceKind.Vm, Architecture.X86_64, null, null, null, "For tests");

    public async Task<ImageFiles> ImportAsync(ImportPlan plan)
    {
        await _node.FetchImageAsync(Id, plan, Reported.Add, default);
        return await _node.ConvertImageAsync(Id, plan, Reported.Add, default);
    }

    public async Task<Refusal> RefusedAsync(ImportPlan plan)
    {
        var refusal = await Should.ThrowAsync<Refusal>(() => ImportAsync(plan));
        File.Exists(Disk).ShouldBeFalse();
        await _node.RemoveImageAsync(Id, default);
        Directory.GetFileSystemEntries(Root.Context.Root.Images).ShouldBeEmpty();
        return refusal;
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await Root.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}
