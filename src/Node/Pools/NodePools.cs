using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>The pools of a node. Which there are is kept in <c>data/pools/{id}.json</c>; the one beside the instances is always there.</summary>
public sealed class NodePools
{
    private readonly NodeContext _node;
    private readonly QemuImg _qemu;
    private readonly Lock _reading = new();
    private readonly Dictionary<Id<Pool>, IPool> _all = [];
    private DirPool? _local;

    public NodePools(NodeContext node)
    {
        (_node, _qemu) = (node, new(node.Shell, node.ToolUids));
        Offline = new OfflineMerging(_qemu);
        Copies = new(_qemu);
    }

    /// <summary>Merges layers of disks that no guest has open.</summary>
    public IDiskMerging Offline { get; }

    public DiskCopies Copies { get; }

    /// <summary>The pool beside the instances.</summary>
    internal DirPool Local
    {
        get
        {
            lock (_reading)
            {
                if (_local is null)
                {
                    var local = new DirPool($"{_node.Root.Pools}/local", "local", _qemu, _node.Time);
                    local.Make();
                    _local = local;
                }

                return _local;
            }
        }
    }

    /// <param name="id">Null for the pool beside the instances.</param>
    /// <exception cref="Refusal"><c>pool.unknown</c>, <c>pool.damaged</c></exception>
    public IPool Of(Id<Pool>? id)
    {
        if (id is not { } named)
        {
            return Local;
        }

        lock (_reading)
        {
            return _all.TryGetValue(named, out var known) ? known : _all[named] = Make(Read(named));
        }
    }

    /// <summary>Every pool but the one beside the instances.</summary>
    public IReadOnlyList<Id<Pool>> All() =>
    [
        .. Directory.EnumerateFiles(_node.Root.Pools, "*.json")
            .Select(f => Id<Pool>.TryParse(Path.GetFileNameWithoutExtension(f), null, out var id) ? id : default).Where(id => id != default).OrderBy(id => id.Value),
    ];

    /// <summary>Finds that all of these answer.</summary>
    /// <exception cref="Refusal"><c>pool.unknown</c>, <c>pool.gone</c></exception>
    public async Task DemandAsync(IEnumerable<Id<Pool>?> pools, CancellationToken ct)
    {
        foreach (var pool in pools.Distinct())
        {
            if (await Of(pool).LookAsync(ct) is { Healthy: false } status)
            {
                throw PoolErrors.NotHealthy(status.Message ?? "it is not healthy.");
            }
        }
    }

    /// <summary>As qemu-img is told of it.</summary>
    public static IReadOnlyList<DiskFile> FilesOf(Disk disk) => [.. disk.Layers.Select(l => new DiskFile(l.Path, l.Format switch
    {
        DiskFormat.Raw => DiskFile.Raw,
        DiskFormat.Device => DiskFile.Device,
        DiskFormat.Rbd => DiskFile.Rbd,
        _ => DiskFile.Qcow2,
    }) { Image = l.Rbd })];

    /// <summary>Makes a pool in its place and keeps it. One that is open already stays as it is.</summary>
    /// <exception cref="Refusal"><c>pool.not_usable</c></exception>
    public async Task OpenAsync(PoolSpec spec, CancellationToken ct)
    {
        // Known before anything is done, so that whatever breaks off is found again to be closed.
        var pool = Make(spec);
        AtomicFile.Write(PathOf(spec.Id), JsonSerializer.SerializeToUtf8Bytes(spec, PoolJson.Default.PoolSpec));
        try
        {
            await pool.OpenAsync(ct);
        }
        catch (Refusal)
        {
            File.Delete(PathOf(spec.Id));
            throw;
        }

        lock (_reading)
        {
            _all.TryAdd(spec.Id, pool);
        }
    }

    /// <summary>Forgets a pool. Disks in it stay there; without any its place can be another's.</summary>
    public async Task CloseAsync(Id<Pool> id, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        try
        {
            await Of(id).CloseAsync(ct);
        }
        catch (Exception e) when (e is Refusal or CommandFailed or IOException or UnauthorizedAccessException)
        {
            // It is not there, or was never opened: it is forgotten all the same, and says whose it was to who finds it.
        }

        File.Delete(PathOf(id));
        lock (_reading)
        {
            _all.Remove(id);
        }
    }

    private string PathOf(Id<Pool> id) => $"{_node.Root.Pools}/{id}.json";

    private PoolSpec Read(Id<Pool> id)
    {
        try
        {
            var spec = JsonSerializer.Deserialize(File.ReadAllBytes(PathOf(id)), PoolJson.Default.PoolSpec) ?? throw PoolErrors.Damaged(PathOf(id), "it says null");
            return spec.Id == id ? spec : throw PoolErrors.Damaged(PathOf(id), $"it is of {spec.Id}");
        }
        catch (FileNotFoundException)
        {
            throw PoolErrors.Unknown(id);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw PoolErrors.Damaged(PathOf(id), e.Message);
        }
    }

    /// <exception cref="Refusal"><c>pool.not_usable</c></exception>
    internal IPool Make(PoolSpec spec) => spec.Kind switch
    {
        PoolKind.Dir => new DirPool(Absolute(spec.Source), spec.Id.ToString(), _qemu, _node.Time, raw: spec.Raw),
        PoolKind.Btrfs => new BtrfsPool(Absolute(spec.Source), spec.Id.ToString(), _node.Shell, _qemu, _node.Time),
        PoolKind.Zfs => new ZfsPool(DataSet(spec.Source), spec.Id.ToString(), _node.Shell, _qemu, _node.Time),
        PoolKind.Lvm => new LvmPool(spec.Source, spec.Id.ToString(), _node.Shell, _qemu),
        PoolKind.Ceph => Ceph(spec),
        PoolKind.Nfs or PoolKind.Cifs or PoolKind.Glusterfs when $"{_node.Root.Pools}/{spec.Id}" is var target =>
            new DirPool(target, spec.Id.ToString(), _qemu, _node.Time, new(spec.Kind, spec.Source, target, spec.Mount ?? new(), Credentials, _node.ToolUids.SharedGid, _node.Shell), spec.Raw),
        _ => throw PoolErrors.NotUsable(spec.Source, $"this node has no pools of the kind {spec.Kind.ToString().ToLowerInvariant()}"),
    };

    private CephPool Ceph(PoolSpec spec)
    {
        var credentials = spec.Mount?.Credentials ?? throw PoolErrors.NotUsable(spec.Source, "its credentials are not said: the name of a file with a keyring");
        return new(
            CephSource.Parse(spec.Source), spec.Id.ToString(), _node.Shell, _qemu, () => PoolCredentials.Demand(Credentials, credentials, "the keyring of its user", spec.Source), _node.Root.Keys, _node.Time);
    }

    private string Credentials => $"{_node.Root.Etc}/credentials";

    private static string DataSet(string source) => Zfs.IsDataSet(source)
        ? source : throw PoolErrors.NotUsable("The source", "it is no name of a ZFS data set, such as tank/gantry");

    private static string Absolute(string source) =>
        source.StartsWith('/') && source.Length <= 1024 && !source.Any(char.IsControl) && Path.GetFullPath(source).TrimEnd('/') is { Length: > 1 } path
            ? path : throw PoolErrors.NotUsable(source.Any(char.IsControl) ? "The source" : source, "it is no absolute path of a directory");
}
