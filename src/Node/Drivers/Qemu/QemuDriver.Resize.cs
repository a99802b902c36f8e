using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    private const long DimmBytes = 128 * Limits.MiB; // Linux takes memory in blocks of this size

    private static readonly TimeSpan CpuGoesWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan BalloonMovesWithin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan BalloonEndsWithin = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    public Task<Resized?> ResizeAsync(Id<Instance> id, InstanceSize wanted, CancellationToken ct) => LockedAsync(id, async slot =>
    {
        if (await AttachAsync(slot, id) is not { } guest)
        {
            return null;
        }

        var spec = node.Folders.Read(id);
        try
        {
            var state = (await guest.QueryAsync(ct)).State;
            if (state != InstanceState.Running)
            {
                return state == InstanceState.Stopped ? null : await AsItIsAsync(guest, wanted, ct);
            }

            var cpus = await ResizeCpusAsync(guest, spec.Kind, wanted.Cpus, ct);
            await QemuPinning.ApplyAsync(guest, spec, ct);
            var memory = await ResizeMemoryAsync(guest, spec, wanted.MemoryBytes, ct);
            var size = await QemuSize.ReadAsync(guest, ct);
            return new Resized(
                new(size.Cpus.Count, size.Memory / Limits.MiB * Limits.MiB),
                string.Join(' ', new[] { cpus, memory }.OfType<string>()) is { Length: > 0 } why ? why : null);
        }
        catch (QmpFailed) when (guest.Process.Ended.IsCompleted)
        {
            return null;
        }
        catch (QmpFailed e)
        {
            throw DriverErrors.NoAnswer(spec.Name, e.Message);
        }
    }, ct);

    private static async Task<Resized> AsItIsAsync(QemuGuest guest, InstanceSize wanted, CancellationToken ct)
    {
        var size = await QemuSize.ReadAsync(guest, ct);
        var now = new InstanceSize(size.Cpus.Count, size.Memory);
        return new(now, now == wanted ? null : ResizeReasons.Paused);
    }

    /// <returns>Why it does not have as many; null when it has.</returns>
    private async Task<string?> ResizeCpusAsync(QemuGuest guest, InstanceKind kind, int wanted, CancellationToken ct)
    {
        if (kind != InstanceKind.Vm)
        {
            return (await QemuSize.ReadAsync(guest, ct)).Cpus.Count == wanted ? null : ResizeReasons.NoCpuPlug;
        }

        var size = await QemuSize.WithSocketsAsync(guest, ct);
        if (wanted - size.Cpus.Count > size.Free.Count)
        {
            return ResizeReasons.CpuRoom(size.Cpus.Count + size.Free.Count);
        }

        foreach (var socket in size.Free.Take(wanted - size.Cpus.Count))
        {
            try
            {
                await guest.ExecuteAsync("device_add", ct, arguments: socket.ToPlug());
            }
            catch (QmpRefused e)
            {
                return ResizeReasons.Refused("A CPU", e.Message);
            }
        }

        for (; size.Cpus.Count > wanted; size = await QemuSize.WithSocketsAsync(guest, ct))
        {
            if (!await UnplugAsync(guest, size.Cpus[^1], ct))
            {
                return ResizeReasons.CpuKept(CpuGoesWithin);
            }
        }

        return null;
    }

    /// <summary>Asks the guest to let go of a CPU; false when it does not, or QEMU will not ask.</summary>
    private async Task<bool> UnplugAsync(QemuGuest guest, string cpu, CancellationToken ct)
    {
        try
        {
            await guest.ExecuteAsync("device_del", ct, arguments: new() { ["id"] = cpu });
        }
        catch (QmpRefused)
        {
            // Of a CPU that was asked for before: the guest may still be at it.
        }

        for (var began = node.Time.GetTimestamp(); node.Time.GetElapsedTime(began) < CpuGoesWithin; await Task.Delay(LookAgain, node.Time, ct))
        {
            if (!(await QemuSize.WithSocketsAsync(guest, ct)).Cpus.Contains(cpu))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Plugs memory in, and lets the guest give back what it has more than is wanted: memory that was plugged in is seldom free
    /// to be pulled out again.
    /// </summary>
    /// <returns>Why it does not have as much; null when it has.</returns>
    private async Task<string?> ResizeMemoryAsync(QemuGuest guest, InstanceSpec spec, long wanted, CancellationToken ct)
    {
        var size = await QemuSize.ReadAsync(guest, ct);
        if (wanted > size.Plugged)
        {
            if (await PlugMemoryAsync(guest, spec, size.Plugged, wanted - size.Plugged, ct) is { } why)
            {
                return why;
            }

            size = await QemuSize.ReadAsync(guest, ct);
        }

        return await MoveBalloonAsync(guest, size.Memory, wanted, ct);
    }

    private async Task<string?> PlugMemoryAsync(QemuGuest guest, InstanceSpec spec, long plugged, long more, CancellationToken ct)
    {
        var room = spec.Kind == InstanceKind.Vm ? Math.Max(Started(spec.Id)?.MaxMemoryBytes ?? 0, plugged) : plugged;
        more = (more + DimmBytes - 1) / DimmBytes * DimmBytes;
        if (plugged + more > room)
        {
            return ResizeReasons.MemoryRoom(room);
        }

        // One that was made and not plugged in, when the daemon was killed in between, is of no use to anybody.
        var used = (await guest.ExecuteAsync("query-memory-devices", ct)).Items()
            .Select(device => device.TryGetProperty("data", out var data) ? data.Text("memdev") : null).OfType<string>().ToHashSet();
        var next = 0;
        while (used.Contains($"/objects/more{next}"))
        {
            next++;
        }

        var memory = $"more{next}";
        try
        {
            if ((await guest.ExecuteAsync("query-memdev", ct)).Items().Any(device => device.Text("id") == memory))
            {
                await guest.ExecuteAsync("object-del", ct, arguments: new() { ["id"] = memory });
            }

            await guest.ExecuteAsync("object-add", ct, arguments: new() { ["qom-type"] = "memory-backend-ram", ["id"] = memory, ["size"] = more });
            await guest.ExecuteAsync("device_add", ct, arguments: new() { ["driver"] = "pc-dimm", ["id"] = $"dimm{next}", ["memdev"] = memory });
            return null;
        }
        catch (QmpRefused e)
        {
            return ResizeReasons.Refused("Memory", e.Message);
        }
    }

    /// <summary>Waits for as long as the guest makes progress; one that stops half-way keeps what it has.</summary>
    private async Task<string?> MoveBalloonAsync(QemuGuest guest, long has, long target, CancellationToken ct)
    {
        if (has == target)
        {
            return null;
        }

        await SetBalloonAsync(target);
        var (began, moved) = (node.Time.GetTimestamp(), node.Time.GetTimestamp());
        while (node.Time.GetElapsedTime(began) < BalloonEndsWithin && node.Time.GetElapsedTime(moved) < BalloonMovesWithin)
        {
            await Task.Delay(LookAgain, node.Time, ct);
            var now = (await QemuSize.ReadAsync(guest, ct)).Memory;
            if (now == target)
            {
                return null;
            }

            (has, moved) = now == has ? (has, moved) : (now, node.Time.GetTimestamp());
        }

        var kept = (has + Limits.MiB - 1) / Limits.MiB * Limits.MiB;
        await SetBalloonAsync(kept);
        return ResizeReasons.MemoryKept(kept);

        Task SetBalloonAsync(long bytes) => guest.ExecuteAsync("balloon", ct, arguments: new() { ["value"] = bytes });
    }
}
