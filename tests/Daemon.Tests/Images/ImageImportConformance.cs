using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Images;
using Gantry.Daemon.Clones;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Tests.Instances;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Images;

namespace Gantry.Daemon.Tests.Images;

/// <summary>The suite of all operations on the import of a real disk.</summary>
public sealed class ImageImportConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new MadeImageRig(Database, world => new ImageImport(new(world.Images, new EventLog(), world.Node), world.Node), async (world, daemon, type, id, name) =>
    {
        var path = $"{world.Node.Context.Root.Data}/disk.raw";
        await File.WriteAllBytesAsync(path, [.. Enumerable.Range(0, 4096).Select(i => (byte)(i * 7))]);
        var plan = ImageImport.PlanOf(new ImportImage { Name = name, Path = path }, "disk.raw", hasDisk: true);
        return await daemon.Operations.BeginAsync((ImageImport)type, new(id, name, plan), $"images/{id}", name, Caller.System, BeginOptions.Default, default);
    });
}

/// <summary>And on the image of a stopped instance.</summary>
public sealed class InstanceCaptureConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new MadeImageRig(Database, world => new InstanceCapture(world.Store, new(world.Images, new EventLog(), world.Node), world.Node), async (world, daemon, type, id, name) =>
    {
        await world.GivenAsync(InstanceState.Stopped);
        var volumes = $"{world.Node.Context.Folders.Data(world.Spec.Id)}/volumes";
        Directory.CreateDirectory(volumes);
        await world.Node.Context.Shell.RunAsync(new("qemu-img", ["create", "-q", "-f", "qcow2", $"{volumes}/root.qcow2", "1M"], TimeSpan.FromSeconds(30)), default);
        var plan = new CapturePlan([new($"{volumes}/root.qcow2")], null, "instance x", Firmware.Bios, InstanceKind.Vm, Architecture.X86_64, null, "For tests");
        return await daemon.Operations.BeginAsync(
            (InstanceCapture)type, new(id, name, world.Spec.Id, plan), $"instances/{world.Spec.Id}", world.Spec.Name, Caller.System, BeginOptions.Default, default);
    });
}

internal sealed class MadeImageRig : OperationRig
{
    private readonly InstanceWorld _world;
    private readonly Func<InstanceWorld, TestDaemon, OperationType, Id<Image>, string, Task<Operation>> _begin;
    private readonly Id<Image> _id = Id<Image>.New();
    private readonly string _name;

    public MadeImageRig(
        string database, Func<InstanceWorld, OperationType> type, Func<InstanceWorld, TestDaemon, OperationType, Id<Image>, string, Task<Operation>> begin)
    {
        (_world, _begin, _name) = (new(database), begin, $"m{_id.Value:N}");
        Type = type(_world);
    }

    public override OperationType Type { get; }

    public override Task<Operation> BeginAsync(TestDaemon daemon) => _begin(_world, daemon, Type, _id, _name);

    public override async Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) => [.. await RowsAsync(), .. Folders()];

    public override async Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon)
    {
        var (rows, folders) = (await RowsAsync(), Folders());
        return rows is [var row] && row == $"{_name} Ready" && folders is [var folder] && folder == $"{_id}"
            && File.Exists(ImageFolders.Disk(_world.Node.Context.Root, _id)) ? [] : [.. rows, .. folders, "not whole"];
    }

    public override async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        await base.DisposeAsync();
    }

    private async Task<IReadOnlyList<string>> RowsAsync() =>
        [.. (await _world.Images.ListAsync(new(1000, null, $"name eq {_name}"), default)).Items.Select(i => $"{i.Name} {i.State}")];

    private List<string> Folders() => [.. Directory.EnumerateFileSystemEntries(_world.Node.Context.Root.Images).Select(f => Path.GetFileName(f)!)];
}
