using System.Text;
using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    private const int LongestBackingFile = 1023; // of a qcow2 header

    private readonly InstanceDisks _disks = new(node);

    public async Task<bool> SwitchLayersAsync(Id<Instance> id, CancellationToken ct) => await WhileRunningAsync(id, async (guest, spec) =>
    {
        var nodes = new QemuNodes(guest);
        while (await LaggingAsync(nodes, spec, ct) is { Count: > 0 } lagging)
        {
            await PutOverAsync(guest, nodes, lagging, ct);
        }

        return new DiskChange();
    }, ct) is not null;

    public Task<bool> CommitLayerAsync(Id<Instance> id, string volume, Disk chain, DiskLayer upper, Action<DiskProgress> report, CancellationToken ct)
    {
        var (up, low) = Pair(volume, chain, upper);
        return WorkAsync(id, volume, $"commit.{up}", report, null, async (guest, nodes, open) =>
        {
            var at = open.IndexOf(up);
            if (at < 0)
            {
                // Where the lower one is open without it, that was done before.
                return open.Contains(low.Node) ? Begun.Done : Begun.NotOpen;
            }

            if (at == 1)
            {
                throw new InvalidOperationException($"{up} is written to: whoever died right after it went into {low.Node} could not be told which of both the guest wrote to last.");
            }

            DemandOver(id, volume, open, at, low.Node);

            // The lower one is written to for as long as that takes, and the one above notes in its header what it lies over then.
            await nodes.HandAsync(volume, low.Layer.Path, writable: true, ct);
            if (at > 2 && chain.Layers.SingleOrDefault(l => QemuLayer.NodeOf(volume, l.Path) == open[at - 1]) is { } above)
            {
                await nodes.HandAsync(volume, above.Path, writable: true, ct);
            }

            await guest.ExecuteAsync("block-commit", ct, arguments: new()
            {
                ["job-id"] = $"commit.{up}", ["device"] = volume, ["top-node"] = up, ["base-node"] = low.Node, ["backing-file"] = Noted(low.Layer.Path), ["auto-dismiss"] = false,
            });
            return Begun.Running;
        }, ct);
    }

    public Task<bool> StreamLayerAsync(Id<Instance> id, string volume, Disk chain, DiskLayer upper, Action<DiskProgress> report, CancellationToken ct)
    {
        var (up, low) = Pair(volume, chain, upper);
        return WorkAsync(id, volume, $"stream.{up}", report, null, async (guest, nodes, open) =>
        {
            var at = open.IndexOf(up);
            if (at < 0 || !open.Contains(low.Node))
            {
                return at < 0 ? Begun.NotOpen : Begun.Done;
            }

            DemandOver(id, volume, open, at, low.Node);
            if (at > 1)
            {
                await nodes.HandAsync(volume, upper.Path, writable: true, ct);
            }

            var arguments = new JsonObject { ["job-id"] = $"stream.{up}", ["device"] = up, ["auto-dismiss"] = false };
            if (chain.Layers.SkipWhile(l => l.Path != low.Layer.Path).Skip(1).FirstOrDefault() is { } below)
            {
                (arguments["base-node"], arguments["backing-file"]) = (QemuLayer.NodeOf(volume, below.Path), Noted(below.Path));
            }

            await guest.ExecuteAsync("block-stream", ct, arguments: arguments);
            return Begun.Running;
        }, ct);
    }

    public Task<bool> MirrorDiskAsync(
        Id<Instance> id, string volume, Disk target, Func<CancellationToken, Task> settle, Action<DiskProgress> report, CancellationToken ct)
    {
        var wanted = QemuLayer.NodeOf(volume, target.Top.Path);
        var job = $"mirror.{wanted}";
        return WorkAsync(id, volume, job, report, () => settle(ct), async (guest, nodes, open) =>
        {
            if (open is not [_, var top, ..])
            {
                return Begun.NotOpen;
            }

            if (top == wanted)
            {
                return Begun.Done;
            }

            // One to another place that nobody came back for.
            await new QemuJobs(guest, node.Time).CancelOthersAsync(MirrorsOf(volume), job, ct);
            await nodes.RemoveAsync(volume, open, ct);
            var chain = QemuChain.OfDisk(DemandVolume(node.Folders.Read(id), volume), target);
            if (chain.IsNetworked && Started(id) is not { IsNetworked: true })
            {
                throw DiskErrors.JobFailed(volume, DiskReasons.NoNetwork);
            }

            await nodes.AddLayersAsync(chain, ct);

            // Each write goes to both before the guest is told that it was done: whichever is opened next has all of them.
            await guest.ExecuteAsync("blockdev-mirror", ct, arguments: new()
            {
                ["job-id"] = job, ["device"] = volume, ["replaces"] = top, ["target"] = wanted, ["sync"] = "full", ["copy-mode"] = "write-blocking", ["auto-dismiss"] = false,
            });
            return Begun.Running;
        }, ct);
    }

    public async Task EndMirrorAsync(Id<Instance> id, string volume, CancellationToken ct)
    {
        await WhileRunningAsync(id, async (guest, _) =>
        {
            await new QemuJobs(guest, node.Time).CancelOthersAsync(MirrorsOf(volume), "", ct);
            return new DiskChange();
        }, ct);
        await TidyAsync(id, volume);
    }

    private static string MirrorsOf(string volume) => $"mirror.{QemuLayer.PrefixOf(volume)}";

    /// <summary>Long work on a volume. The instance is held only while it is begun and when it has ended: meanwhile it can be shut down.</summary>
    /// <param name="begin">Begins the job, unless there is nothing to do; given the volume's nodes as they are.</param>
    /// <param name="ready">As <see cref="QemuJobs.EndAsync"/>.</param>
    private async Task<bool> WorkAsync(
        Id<Instance> id, string volume, string job, Action<DiskProgress> report, Func<Task>? ready, Func<QemuGuest, QemuNodes, List<string>, Task<Begun>> begin, CancellationToken ct)
    {
        var work = await WhileRunningAsync(id, async (guest, spec) =>
        {
            var nodes = new QemuNodes(guest);
            List<string> open = [.. await nodes.ChainAsync(volume, ct)];
            try
            {
                return new Work(guest, spec.Name, await new QemuJobs(guest, node.Time).IsThereAsync(job, ct) ? Begun.Running : await begin(guest, nodes, open));
            }
            catch (Exception e) when (e is QmpRefused or Refusal)
            {
                await nodes.RemoveAsync(volume, open, CancellationToken.None);
                throw e is QmpRefused ? DiskErrors.JobFailed(volume, e.Message) : e;
            }
        }, ct);
        if (work is null or { Begun: Begun.NotOpen })
        {
            return false;
        }

        string? why = null;
        try
        {
            why = work.Begun == Begun.Running ? await new QemuJobs(work.Guest, node.Time).EndAsync(job, report, ready, ct) : null;
        }
        catch (QmpFailed) when (work.Guest.Process.Ended.IsCompleted)
        {
            return false;
        }
        catch (QmpFailed e)
        {
            throw DriverErrors.NoAnswer(work.Name, e.Message);
        }
        finally
        {
            await TidyAsync(id, volume);
        }

        return why is null ? true : throw DiskErrors.JobFailed(volume, why);
    }

    private Task<DiskChange?> TidyAsync(Id<Instance> id, string volume) => WhileRunningAsync(id, async (guest, _) =>
    {
        var nodes = new QemuNodes(guest);
        return new DiskChange(await nodes.RemoveAsync(volume, await nodes.ChainAsync(volume, CancellationToken.None), CancellationToken.None) ? null : DiskReasons.Busy);
    }, CancellationToken.None);

    /// <summary>Of each disk whose guest writes to another layer than its pool says, the next one that has to be put over that.</summary>
    private async Task<List<Lagging>> LaggingAsync(QemuNodes nodes, InstanceSpec spec, CancellationToken ct)
    {
        var found = new List<Lagging>();
        foreach (var volume in (spec.Volumes ?? []).Where(v => v is { Device: VolumeDevice.Disk, ReadOnly: false }))
        {
            var open = await nodes.ChainAsync(volume.Name, ct);
            if (open.Count == 0)
            {
                continue;
            }

            var wanted = QemuChain.OfDisk(volume, await _disks.FindAsync(spec, volume, ct)).Layers.ToList();
            var at = open.Count > 1 ? wanted.FindIndex(l => l.Node == open[1]) : -1;
            if (at < 0)
            {
                throw DiskErrors.OtherChain(spec.Name, volume.Name);
            }

            await nodes.RemoveAsync(volume.Name, open, ct);
            if (at > 0)
            {
                found.Add(new(volume.Name, wanted[at], wanted[at - 1] with { Writable = true }));
            }
        }

        return found;
    }

    /// <summary>One instant for all of them.</summary>
    private static async Task PutOverAsync(QemuGuest guest, QemuNodes nodes, List<Lagging> disks, CancellationToken ct)
    {
        try
        {
            foreach (var disk in disks)
            {
                await nodes.AddAsync(disk.Volume, disk.Next, disk.Next.ToAdd(null), ct);

                // From then on the one below is only read, and opened anew for that.
                await nodes.HandAsync(disk.Volume, disk.Top.Path, writable: false, ct);
            }

            await FlushAsync([.. disks.Select(d => d.Top.Path)], ct);
            await guest.ExecuteAsync("transaction", ct, arguments: new()
            {
                ["actions"] = new JsonArray([.. disks.Select(disk => (JsonNode)new JsonObject
                {
                    ["type"] = "blockdev-snapshot", ["data"] = new JsonObject { ["node"] = disk.Top.Node, ["overlay"] = disk.Next.Node },
                })]),
            });
        }
        catch (Exception e) when (e is QmpRefused or Refusal)
        {
            foreach (var disk in disks)
            {
                await nodes.RemoveAsync(disk.Volume, await nodes.ChainAsync(disk.Volume, CancellationToken.None), CancellationToken.None);
            }

            throw e is QmpRefused ? DiskErrors.NotSwitched(string.Join(", ", disks.Select(d => d.Volume)), e.Message) : e;
        }
    }

    /// <summary>
    /// QEMU writes out what lies in the host's memory of each file within its transaction, one after the other, while the guest waits. Done before, beside
    /// each other, little is left for that; done twice, hardly anything.
    /// </summary>
    private static async Task FlushAsync(IReadOnlyList<string> paths, CancellationToken ct)
    {
        for (var pass = 0; pass < 2; pass++)
        {
            await Task.WhenAll(paths.Select(path => Task.Run(() => Flush(path), CancellationToken.None))).WaitAsync(ct);
        }

        static void Flush(string path)
        {
            try
            {
                using var file = Posix.OpenDisk(path, writable: false);
                RandomAccess.FlushToDisk(file);
            }
            catch (IOException)
            {
                // QEMU is told the same by its own descriptor.
            }
        }
    }

    private static (string Upper, (string Node, DiskLayer Layer) Lower) Pair(string volume, Disk chain, DiskLayer upper)
    {
        var low = chain.Layers.SkipWhile(l => l.Name != upper.Name).Skip(1).FirstOrDefault() ?? throw new ArgumentException($"Nothing lies under {upper.Name}.", nameof(upper));
        return (QemuLayer.NodeOf(volume, upper.Path), (QemuLayer.NodeOf(volume, low.Path), low));
    }

    private void DemandOver(Id<Instance> id, string volume, List<string> open, int at, string low)
    {
        if (at + 1 >= open.Count || open[at + 1] != low)
        {
            throw DiskErrors.OtherChain(node.Folders.Read(id).Name, volume);
        }
    }

    /// <summary>For people who look at the header; nothing of Gantry reads it.</summary>
    private static string Noted(string path) => Encoding.UTF8.GetByteCount(path) <= LongestBackingFile ? path : Path.GetFileName(path);

    private sealed record Lagging(string Volume, QemuLayer Top, QemuLayer Next);

    private sealed record Work(QemuGuest Guest, string Name, Begun Begun);

    private enum Begun
    {
        NotOpen = 1,
        Running = 2,
        Done = 3,
    }
}
