using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Networks;

/// <summary>The file of each network, <c>data/networks/{id}.json</c>. They are read once: nobody else writes them.</summary>
internal sealed class NetworkFiles(GantryRoot root)
{
    private readonly Lock _reading = new();
    private Dictionary<Id<Network>, NetworkSpec>? _all;
    private readonly Dictionary<string, string> _damaged = [];

    /// <summary>All that can be read, the oldest first.</summary>
    public IReadOnlyList<NetworkSpec> All()
    {
        lock (_reading)
        {
            return [.. Specs().Values.OrderBy(s => s.Id.Value)];
        }
    }

    /// <summary>Why the others cannot be read.</summary>
    public IReadOnlyList<string> Damaged()
    {
        lock (_reading)
        {
            Specs();
            return [.. _damaged.Values];
        }
    }

    /// <exception cref="Refusal"><c>network.unknown_here</c></exception>
    public NetworkSpec Find(Id<Network> id)
    {
        lock (_reading)
        {
            return Specs().GetValueOrDefault(id) ?? throw NodeNetworkErrors.Unknown(id);
        }
    }

    /// <summary>Writes all of these, or none: beside the old ones first, so that a full disk is known before anything is changed.</summary>
    /// <returns>To be kept, or given up by disposing it.</returns>
    public Draft Write(IReadOnlyList<NetworkSpec> specs)
    {
        Directory.CreateDirectory(root.Networks);
        var draft = new Draft(this, specs);
        try
        {
            foreach (var spec in specs)
            {
                AtomicFile.Write(Beside(spec.Id), JsonSerializer.SerializeToUtf8Bytes(spec, NetworkJson.Default.NetworkSpec));
            }
        }
        catch (Exception)
        {
            draft.Dispose();
            throw;
        }

        return draft;
    }

    public void Remove(Id<Network> id)
    {
        lock (_reading)
        {
            Specs().Remove(id);
            _damaged.Remove(PathOf(id));
            File.Delete(PathOf(id));
        }
    }

    private string PathOf(Id<Network> id) => $"{root.Networks}/{id}.json";

    private string Beside(Id<Network> id) => $"{root.Networks}/{id}.draft";

    private Dictionary<Id<Network>, NetworkSpec> Specs()
    {
        if (_all is null)
        {
            _all = [];
            foreach (var path in Directory.Exists(root.Networks) ? Directory.GetFiles(root.Networks, "*.json") : [])
            {
                try
                {
                    var spec = Read(path);
                    _all[spec.Id] = spec;
                }
                catch (Refusal refusal)
                {
                    _damaged[path] = refusal.Message;
                }
            }
        }

        return _all;
    }

    private static NetworkSpec Read(string path)
    {
        try
        {
            var spec = JsonSerializer.Deserialize(File.ReadAllBytes(path), NetworkJson.Default.NetworkSpec) ?? throw NodeNetworkErrors.Damaged(path, "it says null");
            return $"{spec.Id}.json" != Path.GetFileName(path) ? throw NodeNetworkErrors.Damaged(path, $"it is of {spec.Id}")
                : spec.Version > NetworkSpec.Newest ? throw NodeNetworkErrors.Damaged(path, $"it was written by a newer Gantry (version {spec.Version})")
                : spec;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw NodeNetworkErrors.Damaged(path, e.Message);
        }
    }

    /// <summary>Files that lie beside those they are to replace.</summary>
    internal sealed class Draft(NetworkFiles files, IReadOnlyList<NetworkSpec> specs) : IDisposable
    {
        public void Keep()
        {
            lock (files._reading)
            {
                var all = files.Specs();
                foreach (var spec in specs)
                {
                    File.Move(files.Beside(spec.Id), files.PathOf(spec.Id), overwrite: true);
                    all[spec.Id] = spec;
                    files._damaged.Remove(files.PathOf(spec.Id));
                }

                Posix.SyncDirectory(Path.GetDirectoryName(files.PathOf(default))!);
            }
        }

        public void Dispose()
        {
            foreach (var spec in specs)
            {
                File.Delete(files.Beside(spec.Id));
            }
        }
    }
}
