using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>The block nodes of a running QEMU, and the descriptors behind them.</summary>
internal sealed class QemuNodes(QemuGuest guest)
{
    /// <summary>By the network.</summary>
    private static readonly TimeSpan OpensWithin = TimeSpan.FromSeconds(60);

    /// <summary>What a device shows its guest, from the volume's filter down; none where no device has it.</summary>
    public async Task<IReadOnlyList<string>> ChainAsync(string volume, CancellationToken ct)
    {
        foreach (var device in (await guest.ExecuteAsync("query-blockstats", ct)).Items())
        {
            if (Down(device).SkipWhile(node => node != volume).ToList() is { Count: > 0 } chain)
            {
                return chain;
            }
        }

        return [];
    }

    /// <summary>What the guest sees of a volume, in bytes; null where there is no such node.</summary>
    public async Task<long?> SizeAsync(string volume, CancellationToken ct) =>
        (await AllAsync(ct)).Where(n => n.Text("node-name") == volume).Select(n => n.TryGetProperty("image", out var image) ? image.Number("virtual-size") : null).FirstOrDefault();

    /// <summary>Opens all of a volume. Nothing of it is left when that fails.</summary>
    /// <exception cref="QmpFailed"/>
    /// <exception cref="Refusal"><c>volume.not_opened</c></exception>
    public async Task AddAsync(QemuChain chain, CancellationToken ct)
    {
        try
        {
            await guest.ExecuteAsync("object-add", ct, arguments: chain.GroupToAdd());
            await AddLayersAsync(chain, ct);
            await guest.ExecuteAsync("blockdev-add", ct, arguments: chain.FilterToAdd());
        }
        catch
        {
            await RemoveAsync(chain.Volume.Name, [], CancellationToken.None);
            throw;
        }
    }

    /// <exception cref="QmpFailed"/>
    /// <exception cref="Refusal"><c>volume.not_opened</c></exception>
    public async Task AddLayersAsync(QemuChain chain, CancellationToken ct)
    {
        foreach (var (layer, toAdd) in chain.LayersToAdd())
        {
            await AddAsync(chain.Volume.Name, layer, toAdd, ct);
        }
    }

    /// <param name="toAdd">For <c>blockdev-add</c>.</param>
    /// <exception cref="QmpFailed"/>
    /// <exception cref="Refusal"><c>volume.not_opened</c></exception>
    public async Task AddAsync(string volume, QemuLayer layer, JsonObject toAdd, CancellationToken ct)
    {
        if (layer.Rbd is { } image)
        {
            await AddAsync(image, toAdd, ct);
            return;
        }

        await HandAsync(volume, layer.Path, layer.Writable, ct);
        try
        {
            await guest.ExecuteAsync("blockdev-add", ct, arguments: toAdd);
        }
        catch (QmpRefused)
        {
            await TryAsync("remove-fd", new() { ["fdset-id"] = layer.Set }, CancellationToken.None);
            throw;
        }
    }

    /// <summary>The key is only needed while it is opened.</summary>
    private async Task AddAsync(RbdImage image, JsonObject toAdd, CancellationToken ct)
    {
        var secret = new JsonObject { ["id"] = image.Secret };
        await TryAsync("object-del", secret.DeepClone().AsObject(), ct);
        await guest.ExecuteAsync("object-add", ct, arguments: new() { ["qom-type"] = "secret", ["id"] = image.Secret, ["format"] = "base64", ["data"] = image.ReadKey() });
        try
        {
            await guest.ExecuteAsync("blockdev-add", ct, OpensWithin, toAdd);
        }
        finally
        {
            await TryAsync("object-del", secret, CancellationToken.None);
        }
    }

    /// <summary>Puts a descriptor of a layer's file into its set. QEMU takes the newest of the access it wants.</summary>
    /// <exception cref="Refusal"><c>volume.not_opened</c></exception>
    public async Task HandAsync(string volume, string path, bool writable, CancellationToken ct)
    {
        try
        {
            using var file = Posix.OpenDisk(path, writable);
            await guest.ExecuteAsync("add-fd", ct, handed: file, arguments: new()
            {
                ["fdset-id"] = QemuLayer.SetOf(QemuLayer.NodeOf(volume, path)),
                ["opaque"] = writable ? QemuLayer.WriteLabel : QemuLayer.ReadLabel,
            });
        }
        catch (IOException e)
        {
            throw DiskErrors.NotOpened(volume, e.Message);
        }
    }

    /// <summary>Removes what nothing uses of a volume's nodes, and closes their files; where only the top is written to, nothing else can be any more.</summary>
    /// <param name="chain">As <see cref="ChainAsync"/> says it is now: that stays.</param>
    /// <returns>False when something still uses one of the others.</returns>
    public async Task<bool> RemoveAsync(string volume, IReadOnlyList<string> chain, CancellationToken ct)
    {
        var left = (await AllAsync(ct)).Select(n => n.Text("node-name")).OfType<string>()
            .Where(n => (n == volume || n.StartsWith(QemuLayer.PrefixOf(volume), StringComparison.Ordinal)) && !chain.Contains(n)).ToList();

        // What lies over another has to go first, and nobody says which that is.
        for (var before = int.MaxValue; left.Count > 0 && left.Count < before;)
        {
            before = left.Count;
            foreach (var node in left.ToList())
            {
                if (await TryAsync("blockdev-del", new() { ["node-name"] = node }, ct))
                {
                    left.Remove(node);
                    if (node != volume)
                    {
                        await TryAsync("remove-fd", new() { ["fdset-id"] = QemuLayer.SetOf(node) }, ct);
                    }
                }
            }
        }

        if (chain.Count == 0 && left.Count == 0)
        {
            await TryAsync("object-del", new() { ["id"] = QemuChain.GroupOf(volume) }, ct);
        }

        await TakeBackAsync([.. chain.Skip(2)], ct);
        return left.Count == 0;
    }

    public async Task<bool> TryAsync(string command, JsonObject arguments, CancellationToken ct)
    {
        try
        {
            await guest.ExecuteAsync(command, ct, arguments: arguments);
            return true;
        }
        catch (QmpRefused)
        {
            return false;
        }
    }

    /// <summary>Takes the descriptors that can be written to out of the sets of nodes that are read only.</summary>
    private async Task TakeBackAsync(IReadOnlyCollection<string> nodes, CancellationToken ct)
    {
        if (nodes.Count == 0)
        {
            return;
        }

        var sets = nodes.Select(n => (long?)QemuLayer.SetOf(n)).ToHashSet();
        foreach (var set in (await guest.ExecuteAsync("query-fdsets", ct)).Items().Where(s => sets.Contains(s.Number("fdset-id"))))
        {
            foreach (var file in set.GetProperty("fds").Items().Where(f => f.Text("opaque") == QemuLayer.WriteLabel))
            {
                await TryAsync("remove-fd", new() { ["fdset-id"] = set.Number("fdset-id"), ["fd"] = file.Number("fd") }, ct);
            }
        }
    }

    private async Task<IEnumerable<JsonElement>> AllAsync(CancellationToken ct) =>
        (await guest.ExecuteAsync("query-named-block-nodes", ct, arguments: new() { ["flat"] = true })).Items();

    private static IEnumerable<string> Down(JsonElement node)
    {
        for (JsonElement? at = node; at is { } here; at = here.ValueKind == JsonValueKind.Object && here.TryGetProperty("backing", out var below) ? below : null)
        {
            if (here.Text("node-name") is { } name)
            {
                yield return name;
            }
        }
    }
}
