using System.Globalization;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>A file that the launcher opens and QEMU finds under a number: QEMU's own user can reach none of them.</summary>
internal sealed record HandedFile(int Number, string Path, bool Writable)
{
    /// <summary>As the launcher's <c>--open</c> takes it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Number}:{(Writable ? "rw" : "r")}:{Path}");
}

/// <summary>A TAP device that QEMU finds opened under a number.</summary>
internal sealed record HandedTap(int Number, string Name)
{
    /// <summary>As the launcher's <c>--tap</c> takes it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Number}:{Name}");
}

/// <summary>A socket in the run folder at which QEMU finds itself listening under a number.</summary>
internal sealed record HandedSocket(int Number, string Name)
{
    /// <summary>As the launcher's <c>--listen</c> takes it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Number}:{Name}");
}

/// <summary>Gives out the numbers.</summary>
internal sealed class QemuFiles
{
    public const int Qmp = 3;
    public const int Serial = 4;
    public const int Tpm = 5;

    private readonly List<HandedFile> _all = [];
    private readonly List<HandedTap> _taps = [];
    private readonly List<HandedSocket> _sockets = [];
    private readonly List<string> _sets = [];

    public IReadOnlyList<HandedFile> All => _all;

    public IReadOnlyList<HandedTap> Taps => _taps;

    public IReadOnlyList<HandedSocket> Sockets => _sockets;

    public int Listen(string name)
    {
        var socket = new HandedSocket(Next, name);
        _sockets.Add(socket);
        return socket.Number;
    }

    public int Tap(string name)
    {
        var tap = new HandedTap(Next, name);
        _taps.Add(tap);
        return tap.Number;
    }

    /// <summary>For what opens a path by itself, such as a kernel.</summary>
    public string AsPath(string path) => string.Create(CultureInfo.InvariantCulture, $"/dev/fd/{Hand(path, writable: false)}");

    /// <summary>For a block node: QEMU opens the member of a set that has the mode it wants.</summary>
    public string AsSet(string path, bool writable)
    {
        var number = Hand(path, writable);
        _sets.Add(string.Create(CultureInfo.InvariantCulture, $"fd={number},set={number}"));
        return string.Create(CultureInfo.InvariantCulture, $"/dev/fdset/{number}");
    }

    /// <summary>As <see cref="AsSet"/>, for a layer of a volume, whose set has a number of its own and says how its descriptors were opened.</summary>
    public void AddTo(QemuLayer layer) => _sets.Add(
        string.Create(CultureInfo.InvariantCulture, $"fd={Hand(layer.Path, layer.Writable)},set={layer.Set},opaque={(layer.Writable ? QemuLayer.WriteLabel : QemuLayer.ReadLabel)}"));

    /// <summary>The sets, declared before anything uses them. QEMU closes the numbers themselves then, so only those that are sets stand here.</summary>
    public IEnumerable<string> Declarations() =>
        _sets.SelectMany(set => (string[])["-add-fd", set]);

    private int Next => Tpm + 1 + _all.Count + _taps.Count + _sockets.Count;

    private int Hand(string path, bool writable)
    {
        var file = new HandedFile(Next, path, writable);
        _all.Add(file);
        return file.Number;
    }
}
