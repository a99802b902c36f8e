using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>How QEMU and its tools open a disk in Ceph (BlockdevOptionsRbd, https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html). Its key is in none of that: only the file it stands in.</summary>
/// <param name="Snapshot">Opened as it was then; null as it is.</param>
/// <param name="Keyring">Root's own: see <see cref="CephKeyring"/>.</param>
/// <param name="Keys">A folder of the run folder, for copies of the key that tools may read while they run.</param>
public sealed record RbdImage(
    string Pool, string? Namespace, string Image, string? Snapshot, long SizeBytes, IReadOnlyList<RbdServer> Servers, string User, string Keyring, string Keys)
{
    /// <summary>The node's name for it, in the place of a file's path.</summary>
    public string Path => $"rbd:{Pool}/{(Namespace is null ? "" : $"{Namespace}/")}{Image}{(Snapshot is null ? "" : $"@{Snapshot}")}";

    /// <summary>What the secret with its key is called: the same for all images of one keyring.</summary>
    internal string Secret => $"key-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Keyring)))[..12]}";

    /// <summary>As QEMU and its tools take a secret in base64.</summary>
    /// <exception cref="Contracts.Refusal"><c>pool.not_usable</c></exception>
    internal string ReadKey() => CephKeyring.TryRead(Keyring)?.Key ?? throw ImageErrors.NoKey(Keyring);

    /// <summary>Writes the key into a file that this user alone can read, beside root.</summary>
    internal void WriteKey(string path, int uid)
    {
        File.Delete(path);
        using (var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead }))
        {
            file.Write(Encoding.ASCII.GetBytes(ReadKey()));
        }

        Posix.Chown(path, uid, uid);
    }

    internal JsonObject ToBlock()
    {
        var block = new JsonObject
        {
            ["driver"] = "rbd",
            ["pool"] = Pool,
            ["image"] = Image,
            ["user"] = User,
            ["key-secret"] = Secret,
            ["auth-client-required"] = new JsonArray("cephx"),
            ["server"] = new JsonArray([.. Servers.Select(s => (JsonNode)new JsonObject { ["host"] = s.Host, ["port"] = s.Port })]),
        };
        if (Namespace is not null)
        {
            block["namespace"] = Namespace;
        }

        if (Snapshot is not null)
        {
            block["snapshot"] = Snapshot;
        }

        return block;
    }

    /// <summary>The same as options of qemu-img. No part of it has a comma.</summary>
    internal string ToOptions() => string.Join(',',
    [
        "driver=raw", "file.driver=rbd", $"file.pool={Pool}", $"file.image={Image}", $"file.user={User}", $"file.key-secret={Secret}", "file.auth-client-required.0=cephx",
        .. Namespace is null ? (string[])[] : [$"file.namespace={Namespace}"],
        .. Servers.Index().SelectMany(s => (string[])[$"file.server.{s.Index}.host={s.Item.Host}", $"file.server.{s.Index}.port={s.Item.Port}"]),
    ]);
}

/// <param name="Host">An address.</param>
public sealed record RbdServer(string Host, string Port);
