using System.Globalization;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>A node of a test's own with a guest whose shell is on its serial line, and its disks in the pool beside it.</summary>
/// <param name="change">What is other than usual.</param>
internal sealed class DiskRig(TestImages images, Func<NodeContext, NodeContext>? change = null) : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly TestRoot _root = new(change);
    private Action<string> _before = _ => { };

    public LocalNode Node { get; private set; } = null!;

    public IPool Pool => Node.Context.Pools.Of(null);

    public string Path => _root.Path;

    public Id<Instance> Id { get; private set; }

    /// <param name="before">As <see cref="NodeContext.BeforeMonitor"/>.</param>
    public async Task RestartNodeAsync(Action<string>? before = null)
    {
        if (Node is not null)
        {
            await Node.DisposeAsync();
        }

        _before = before ?? (_ => { });
        Node = new(_root.Context with { BeforeMonitor = command => _before(command) });
    }

    public void Spare() => _before = _ => { };

    public async Task GivenAsync(InstanceKind kind, params VolumeSpec[] volumes)
    {
        await RestartNodeAsync();
        Id = Id<Instance>.New();
        await Node.DefineAsync(new InstanceSpec(Id, "guest", kind, "qemu", 1, 128 * Limits.MiB, Firmware.Direct, images.Kernel, images.Initrd, "quiet", 0) { Volumes = volumes }, default);
    }

    public static VolumeSpec Disk(string name, long bytes = 16 * Limits.MiB, VolumeBus bus = VolumeBus.Virtio) =>
        new(name, VolumeDevice.Disk, null, null, bytes, bus, VolumeCache.Writeback, false);

    public async Task StartAsync()
    {
        File.Delete($"{Node.Context.Folders.Data(Id)}/serial.log");
        await Node.StartAsync(Id, default);
        await Eventually(async () => (await Node.ReadSerialAsync(Id, 1 << 20, default)).Text.Contains("micro is up", StringComparison.Ordinal));
    }

    /// <summary>What a command writes at the guest's shell, by lines.</summary>
    public async Task<string[]> AskAsync(string command)
    {
        await using var line = new LineTypist(await Node.OpenSerialAsync(Id, null, 0, default), Patience);
        return await line.AskAsync(command);
    }

    /// <summary>Begins a command that goes on by itself.</summary>
    public async Task TypeAsync(string command)
    {
        await using var line = await Node.OpenSerialAsync(Id, null, 0, default);
        await line.WriteAsync(Encoding.UTF8.GetBytes(command + "\r"), default);
    }

    public Task<Disk> DiskAsync(string name) => Pool.FindAsync(InstanceDisks.NameOf(Id, name), default);

    /// <summary>A snapshot of disks, as the control plane takes it.</summary>
    public async Task<Id<Snapshot>> SnapshotAsync(params string[] disks)
    {
        var snapshot = Id<Snapshot>.New();
        await SnapshotAsync(snapshot, disks);
        return snapshot;
    }

    public async Task SnapshotAsync(Id<Snapshot> snapshot, params string[] disks)
    {
        await Pool.SnapshotAsync($"{Id}", disks, snapshot, default);
        (await Node.SwitchLayersAsync(Id, default)).ShouldBeTrue();
    }

    public Task DeleteSnapshotAsync(Id<Snapshot> snapshot) => Pool.DeleteSnapshotAsync($"{Id}", snapshot, Node.MergingOf(Id, _ => { }), default);

    /// <summary>All a guest would see, read from the files of a chain.</summary>
    public async Task<byte[]> ReadAsync(IEnumerable<DiskLayer> layers)
    {
        var chain = layers.Reverse().Aggregate("null", (below, layer) =>
            $$$"""{"driver":"qcow2","file":{"driver":"file","filename":"{{{layer.Path}}}"},"backing":{{{below}}}}""");
        var output = $"{_root.Path}/{Id<Snapshot>.New()}.raw";
        await RunAsync("qemu-img", "convert", "-O", "raw", $"json:{chain}", output);
        var bytes = await File.ReadAllBytesAsync(output);
        File.Delete(output);
        return bytes;
    }

    /// <summary>That QEMU has open what the pool says, each as it should, and nothing else.</summary>
    public async Task DemandOpenAsync(params string[] disks)
    {
        var chains = await Task.WhenAll(disks.Select(DiskAsync));
        (await OpenFilesAsync()).Order(StringComparer.Ordinal).ShouldBe(
            chains.SelectMany(c => c.Layers.Select(l => $"{(l == c.Top ? "rw" : "r")} {l.Path}")).Order(StringComparer.Ordinal));
    }

    /// <summary>The files of pools, or others, that QEMU has open: how, and which.</summary>
    public async Task<string[]> OpenFilesAsync(string which = "/pools/")
    {
        var pid = (await Node.InspectAsync(Id, default)).Observed!.Pid!.Value;
        var files = Directory.GetFiles(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/fd")).Select(f => (
            Path: new FileInfo(f).LinkTarget ?? "", CanWrite: File.ReadLines(f.Replace("/fd/", "/fdinfo/", StringComparison.Ordinal)).Any(l => l.StartsWith("flags:", StringComparison.Ordinal) && l[^1] == '2')));
        return [.. files.Where(f => f.Path.StartsWith(_root.Path, StringComparison.Ordinal) && f.Path.Contains(which, StringComparison.Ordinal))
            .GroupBy(f => f.Path).Select(f => $"{(f.Any(x => x.CanWrite) ? "rw" : "r")} {f.Key}")];
    }

    public static async Task<string> RunAsync(string program, params string[] arguments) =>
        (await new Shell(TimeProvider.System).RunAsync(new(program, arguments, Patience), default)).Output;

    public static async Task Eventually(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (!await condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, deadline.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Node is not null)
        {
            await Node.DisposeAsync();
        }

        await _root.DisposeAsync();
    }
}
