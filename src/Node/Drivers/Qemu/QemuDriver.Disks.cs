using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    private static readonly TimeSpan DiskGoesWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan DiskClosesWithin = TimeSpan.FromSeconds(10);

    public Task<DiskChange?> PlugDiskAsync(Id<Instance> id, string volume, CancellationToken ct) => ChangeDiskAsync(id, async (guest, spec) =>
    {
        var wanted = DemandVolume(spec, volume);
        var plugged = await PluggedAsync(guest, ct);
        var platform = QemuPlatform.Of(spec, _host.Facts.Guest);
        var volumes = new QemuVolumes(spec, platform, node.Root, await FindDiskAsync(spec, wanted, ct));
        if (plugged.Contains(QemuVolumes.DeviceId(volume)))
        {
            return File.Exists(LeavingPath(id, volume)) ? DiskReasons.Held
                : wanted.Device == VolumeDevice.Cdrom ? await ChangeDiscAsync(guest, volumes.ChainOf(wanted), ct) : null;
        }

        File.Delete(LeavingPath(id, volume));
        if (spec.Kind != InstanceKind.Vm)
        {
            return DiskReasons.NoPlug;
        }

        if (wanted.Bus == VolumeBus.Sata)
        {
            return DiskReasons.NoSata;
        }

        if (wanted.Bus == VolumeBus.Scsi && !plugged.Contains(QemuVolumes.Scsi))
        {
            return DiskReasons.NoController;
        }

        var chain = volumes.ChainOf(wanted);
        if (chain.IsNetworked && Started(id) is not { IsNetworked: true })
        {
            return DiskReasons.NoNetwork;
        }

        var onPort = platform.HasPorts && QemuVolumes.IsOnPort(wanted);
        var port = onPort ? await FreePortAsync(guest, QemuVolumes.Ports, QemuVolumes.Port, wanted.Port, ct) : null;
        return onPort && port is null ? DiskReasons.Room(QemuVolumes.Ports) : await PlugAsync(guest, chain, volumes.DeviceToAdd(wanted, port), ct);
    }, ct);

    public Task<DiskChange?> UnplugDiskAsync(Id<Instance> id, string volume, CancellationToken ct) => ChangeDiskAsync(id, async (guest, spec) =>
    {
        var device = QemuVolumes.DeviceId(volume);
        if (!(await PluggedAsync(guest, ct)).Contains(device))
        {
            File.Delete(LeavingPath(id, volume));
            return await EndDiskAsync(guest, volume, ct);
        }

        // Until it is gone, no other disk can have its name.
        await File.WriteAllTextAsync(LeavingPath(id, volume), "", ct);
        if (spec.Kind != InstanceKind.Vm)
        {
            return DiskReasons.NoUnplug;
        }

        var model = (await guest.ExecuteAsync("qom-get", ct, arguments: new() { ["path"] = $"/machine/peripheral/{device}", ["property"] = "type" })).ToString();
        switch (model)
        {
            case "ide-cd":
                return await TakeOutAsync(guest, volume, ct) ?? DiskReasons.DriveStays;
            case "ide-hd":
                return DiskReasons.NoSata;
        }

        if ((await guest.QueryAsync(ct)).State == InstanceState.Paused && !model.StartsWith(QemuVolumes.Scsi, StringComparison.Ordinal))
        {
            return DiskReasons.Unanswered;
        }

        if (!await LetGoAsync(guest, device, DiskGoesWithin, ct))
        {
            return DiskReasons.Kept(DiskGoesWithin);
        }

        File.Delete(LeavingPath(id, volume));
        return await EndDiskAsync(guest, volume, ct);
    }, ct);

    public Task<DiskChange?> LimitDiskAsync(Id<Instance> id, string volume, CancellationToken ct) => ChangeDiskAsync(id, async (guest, spec) =>
    {
        var wanted = DemandVolume(spec, volume);
        var limits = new QemuChain(wanted, []).Limits();
        return await new QemuNodes(guest).TryAsync("qom-set", new() { ["path"] = $"/objects/{QemuChain.GroupOf(volume)}", ["property"] = "limits", ["value"] = limits }, ct) ? null
            : (await PluggedAsync(guest, ct)).Contains(QemuVolumes.DeviceId(volume)) && wanted.Device == VolumeDevice.Disk ? DiskReasons.Older : null;
    }, ct);

    public async Task<DiskChange?> GrowDiskAsync(Id<Instance> id, string volume, long sizeBytes, CancellationToken ct)
    {
        var open = true;
        var change = await ChangeDiskAsync(id, async (guest, spec) =>
        {
            var wanted = DemandVolume(spec, volume);
            if (await new QemuNodes(guest).SizeAsync(volume, ct) is not { } has)
            {
                open = false;
                return null;
            }

            if (sizeBytes < has)
            {
                throw DiskErrors.NoShrink(volume, has, sizeBytes);
            }

            // A device QEMU cannot make larger, only find larger than it was.
            var (pool, disk) = (_disks.PoolOf(wanted), InstanceDisks.NameOf(id, volume));
            if (sizeBytes > has && (await pool.FindAsync(disk, ct)).Top.Format == Pools.DiskFormat.Device)
            {
                await pool.GrowAsync(disk, sizeBytes, ct);
            }

            try
            {
                if (sizeBytes > has)
                {
                    await guest.ExecuteAsync("block_resize", ct, arguments: new() { ["node-name"] = volume, ["size"] = sizeBytes });
                }
            }
            catch (QmpRefused e)
            {
                return DiskReasons.Refused(e.Message);
            }

            return null;
        }, ct);
        if (open && change is { WhyNot: null })
        {
            // It is so large now, whoever cancels. Not while the machine is held: who holds the pool may wait for that.
            await _disks.PoolOf(DemandVolume(node.Folders.Read(id), volume)).NoteGrownAsync(InstanceDisks.NameOf(id, volume), sizeBytes, CancellationToken.None);
        }

        return open ? change : null;
    }

    private static VolumeSpec DemandVolume(InstanceSpec spec, string volume) =>
        VolumeSpec.WithPorts(spec.Volumes ?? []).SingleOrDefault(v => v.Name == volume) ?? throw DiskErrors.Unknown(spec.Name, volume);

    /// <param name="change">Says why it could not be made; null when it was.</param>
    private Task<DiskChange?> ChangeDiskAsync(Id<Instance> id, Func<QemuGuest, InstanceSpec, Task<string?>> change, CancellationToken ct) =>
        WhileRunningAsync(id, async (guest, spec) => new DiskChange(await change(guest, spec)), ct);

    private async Task<string?> PlugAsync(QemuGuest guest, QemuChain chain, JsonObject device, CancellationToken ct)
    {
        // What is left of one whose daemon was killed half-way has its name.
        var (nodes, volume) = (new QemuNodes(guest), chain.Volume.Name);
        if (!await nodes.RemoveAsync(volume, [], ct))
        {
            return DiskReasons.Busy;
        }

        try
        {
            if (chain.HasMedium)
            {
                await nodes.AddAsync(chain, ct);
            }

            await guest.ExecuteAsync("device_add", ct, arguments: device);
            return null;
        }
        catch (QmpRefused e)
        {
            await nodes.RemoveAsync(volume, [], CancellationToken.None);
            return DiskReasons.Refused(e.Message);
        }
    }

    /// <summary>Closes what was behind a disk. QEMU takes a moment to let go of it after the device is gone.</summary>
    private async Task<string?> EndDiskAsync(QemuGuest guest, string volume, CancellationToken ct)
    {
        var nodes = new QemuNodes(guest);
        for (var began = node.Time.GetTimestamp(); !await nodes.RemoveAsync(volume, [], ct); await Task.Delay(LookAgain, node.Time, ct))
        {
            if (node.Time.GetElapsedTime(began) >= DiskClosesWithin)
            {
                return DiskReasons.Busy;
            }
        }

        return null;
    }

    private async Task<IReadOnlyDictionary<string, Disk>> FindDiskAsync(InstanceSpec spec, VolumeSpec volume, CancellationToken ct) =>
        volume.Device == VolumeDevice.Disk ? new Dictionary<string, Disk> { [volume.Name] = await _disks.FindAsync(spec, volume, ct) } : new Dictionary<string, Disk>();

    /// <summary>There while a volume is to be pulled out whose guest has not let go of it; gone with its QEMU.</summary>
    private string LeavingPath(Id<Instance> id, string volume) => $"{node.Folders.Run(id)}/leaving.{volume}";
}
