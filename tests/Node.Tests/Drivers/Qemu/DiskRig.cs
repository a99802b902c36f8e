using System.Globalization;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>A node of a test's own with a guest whose shell is on its serial line, and its disks in the pool beside it.</summary>
internal sealed class DiskRig(TestImages images) : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly TestRoot _root = new();
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

    /// <summary>A snapshot of all disks, as the control plane takes it.</summary>
    public async Task<Id<Snapshot>> SnapshotAsync(params string[] disks)
    {
        var snapshot = Id<Snapshot>.New();
        await Pool.SnapshotAsync($"{Id}", disks, snapshot, default);
        (await Node.SwitchLayersAsync(Id, default)).ShouldBeTrue();
        return snapshot;
    }

    public Task DeleteSnapshotAsync(Id<Snapshot> snapshot) => Pool.DeleteSnapshotAsync($"{Id}", snapshot, Node.MergingOf(Id, _ => { }), default);

    /// <summary>The files QEMU has open below a folder: what and how.</summary>
    public async Task<string[]> OpenFilesAsync()
    {
        var pid = (await Node.InspectAsync(Id, default)).Observed!.Pid!.Value;
        return [.. Directory.GetFiles(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/fd"))
            .Select(f => new FileInfo(f).LinkTarget ?? "").Where(f => f.StartsWith(_root.Path, StringComparison.Ordinal) && f.Contains("/pools/", StringComparison.Ordinal)).Distinct()];
    }

    public Task<string> RunAsync(string program, params string[] arguments) =>
        new Shell(TimeProvider.System).RunAsync(new(program, arguments, Patience), default).ContinueWith(t => t.Result.Output, TaskScheduler.Default);

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
