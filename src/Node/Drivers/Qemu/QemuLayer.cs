using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Pools;
using DiskFormat = Gantry.Node.Pools.DiskFormat;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// One file of a volume, as a block node. Its file is opened from a set of descriptors that has the node's number, because QEMU itself may
/// open nothing. Which layer it lies over is always said, and what its header says of that is never read. QEMU's own locks stay out: the set
/// keeps a descriptor open with the lock of an access that was given up, which then stands in the way of QEMU itself.
/// </summary>
/// <param name="Writable">The guest writes to it.</param>
internal sealed record QemuLayer(string Node, string Path, DiskFormat Format, bool Writable, VolumeCache Cache)
{
    /// <summary>What QEMU opens by the network, and not from a set.</summary>
    public RbdImage? Rbd { get; init; }

    public const string ReadLabel = "r";
    public const string WriteLabel = "rw";

    private const int DigestLength = 10;

    /// <summary>The number of its set: the same whoever asks.</summary>
    public int Set => SetOf(Node);

    public static int SetOf(string node) => (BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes(node))) & 0x3fff_ffff) | 0x4000_0000;

    /// <summary>What the nodes of a volume's layers begin with; no name of a volume has a dot.</summary>
    public static string PrefixOf(string volume) => $"{volume}.";

    /// <summary>Two pools may call their layers alike, so it is the file that tells them apart. As long as names of volumes are, this stays below QEMU's 31 characters.</summary>
    public static string NodeOf(string volume, string path) => PrefixOf(volume) + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(path)))[..DigestLength];

    /// <summary>For <c>blockdev-add</c>.</summary>
    /// <param name="below">The node it lies over; null for one that stands alone, or is put over another by a command that follows.</param>
    public JsonObject ToAdd(string? below)
    {
        var node = new JsonObject
        {
            ["driver"] = Format == DiskFormat.Qcow2 ? "qcow2" : "raw",
            ["node-name"] = Node,
            ["read-only"] = !Writable,
            ["discard"] = "unmap",
            ["detect-zeroes"] = Writable ? "unmap" : "off",
            ["cache"] = new JsonObject { ["direct"] = Cache == VolumeCache.None, ["no-flush"] = false },
            ["file"] = Rbd?.ToBlock() ?? new JsonObject { ["driver"] = Format == DiskFormat.Device ? "host_device" : "file", ["filename"] = string.Create(CultureInfo.InvariantCulture, $"/dev/fdset/{Set}"), ["locking"] = "off" },
        };
        if (Format == DiskFormat.Qcow2)
        {
            node["backing"] = below;
        }

        return node;
    }
}
