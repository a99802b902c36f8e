using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Snapshots;

/// <summary>
/// What is kept of a snapshot beside its disks, for root alone: <c>instances/{id}/snapshots/{snapshot}</c> with the specification, what the
/// firmware remembered (<c>nvram</c>) and the state of the TPM (<c>tpm/</c>). The specification is there before anything is in a pool, so that what
/// broke off can be cleared away.
/// </summary>
internal sealed partial class SnapshotFolder(GantryRoot root, Id<Instance> instance, Id<Snapshot> snapshot)
{
    private const string RecordName = "snapshot.json", SpecName = "spec.json", NvramName = "nvram", TpmName = "tpm";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Twice the largest flash of a machine; the TPM, which is another user's, may fill no disk.</summary>
    private const long MostBytes = 128 * Limits.MiB;
    private const int MostTpmFiles = 32;

    private readonly string _path = $"{Of(root, instance)}/{snapshot}";

    /// <summary>The folder of all snapshots of an instance.</summary>
    public static string Of(GantryRoot root, Id<Instance> instance) => $"{root.Instances}/{instance}/snapshots";

    public bool Exists => Directory.Exists(_path);

    public string RecordPath => $"{_path}/{RecordName}";

    /// <summary>How it was specified then; null when that is not there, or not readable.</summary>
    public InstanceSpec? TrySpec()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes($"{_path}/{SpecName}"), SpecJson.Default.InstanceSpec);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    /// <returns>Null when the snapshot is not whole.</returns>
    /// <exception cref="Refusal"><c>snapshot.damaged</c></exception>
    public TakenSnapshot? TryRead()
    {
        try
        {
            var bytes = File.ReadAllBytes(RecordPath);
            var record = JsonSerializer.Deserialize(bytes, SnapshotJson.Default.SnapshotRecord) ?? throw NodeSnapshotErrors.Damaged(RecordPath, "it says null");
            return record.Version > SnapshotRecord.Newest ? throw NodeSnapshotErrors.Damaged(RecordPath, $"it was written by a newer Gantry (version {record.Version})")
                : record.Id != snapshot || record.Instance != instance ? throw NodeSnapshotErrors.Damaged(RecordPath, $"it is of {record.Id}")
                : new(record, Convert.ToHexStringLower(SHA256.HashData(bytes)));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw NodeSnapshotErrors.Damaged(RecordPath, e.Message);
        }
    }

    public void Begin(InstanceSpec spec)
    {
        Directory.CreateDirectory(Of(root, instance), OwnerOnly);
        Directory.CreateDirectory(_path, OwnerOnly);
        AtomicFile.Write($"{_path}/{SpecName}", JsonSerializer.SerializeToUtf8Bytes(spec, SpecJson.Default.InstanceSpec));
        Posix.SyncDirectory(Of(root, instance));
    }

    /// <summary>There is something beside the disks that changes while the guest runs.</summary>
    public bool HasState => File.Exists(InstanceVolumes.NvramOf(root, instance)) || Directory.Exists(InstanceVolumes.TpmOf(root, instance));

    /// <summary>Copies that.</summary>
    /// <returns>The SHA-256 of each file of the folder, by its path in it.</returns>
    /// <exception cref="Refusal"><c>snapshot.not_kept</c></exception>
    public IReadOnlyDictionary<string, string> Keep()
    {
        try
        {
            return KeepAll();
        }
        catch (IOException e)
        {
            throw NodeSnapshotErrors.NotKept(e.Message);
        }
    }

    private Dictionary<string, string> KeepAll()
    {
        var sums = new Dictionary<string, string> { [SpecName] = Sha256Of($"{_path}/{SpecName}") };
        if (File.Exists(InstanceVolumes.NvramOf(root, instance)))
        {
            sums[NvramName] = Copy(InstanceVolumes.NvramOf(root, instance), $"{_path}/{NvramName}");
        }

        if (InstanceVolumes.TpmOf(root, instance) is var tpm && Directory.Exists(tpm))
        {
            Directory.CreateDirectory($"{_path}/{TpmName}", OwnerOnly);
            foreach (var name in Directory.EnumerateFiles(tpm).Select(f => Path.GetFileName(f)).Where(n => TpmFile().IsMatch(n)).Take(MostTpmFiles))
            {
                sums[$"{TpmName}/{name}"] = Copy($"{tpm}/{name}", $"{_path}/{TpmName}/{name}");
            }

            Posix.SyncDirectory($"{_path}/{TpmName}");
        }

        Posix.SyncDirectory(_path);
        return sums;
    }

    /// <summary>From now on the snapshot is whole.</summary>
    public TakenSnapshot Finish(SnapshotRecord record)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(record, SnapshotJson.Default.SnapshotRecord);
        AtomicFile.Write(RecordPath, bytes);
        return new(record, Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    /// <summary>From now on the snapshot is not whole.</summary>
    public void Break()
    {
        if (File.Exists(RecordPath))
        {
            File.Delete(RecordPath);
            Posix.SyncDirectory(_path);
        }
    }

    public void Remove()
    {
        if (Exists)
        {
            Directory.Delete(_path, recursive: true);
            Posix.SyncDirectory(Of(root, instance));
        }
    }

    /// <summary>What of its files is missing or altered, in sentences.</summary>
    /// <param name="memory">The guest's memory too, all of which is read for that.</param>
    public IEnumerable<string> Faults(SnapshotRecord record, bool memory)
    {
        foreach (var (name, sum) in record.Files.Where(f => memory || f.Key != MemoryName).OrderBy(f => f.Key, StringComparer.Ordinal))
        {
            var path = $"{_path}/{name}";
            string? found = null;
            string? why = null;
            try
            {
                found = Sha256Of(path);
            }
            catch (IOException e)
            {
                why = e.Message;
            }

            if (found is null)
            {
                yield return File.Exists(path) ? $"{path} cannot be read: {why}." : $"{path} is missing.";
            }
            else if (found != sum)
            {
                yield return $"{path} was altered: its SHA-256 is {found}, and was {sum}.";
            }
        }
    }

    /// <summary>Makes what the firmware and the TPM of an instance remember what they did then. Nothing runs meanwhile.</summary>
    public void PutBack(SnapshotRecord record, int tpmUid) => PutInto(instance, record, tpmUid);

    /// <summary>The same for another instance, which was made of this snapshot.</summary>
    /// <param name="tpmUid">The user of its TPM; null where that is to be a new one.</param>
    public void PutInto(Id<Instance> other, SnapshotRecord record, int? tpmUid)
    {
        PutNvram(InstanceVolumes.NvramOf(root, other), record.Files.ContainsKey(NvramName));
        PutTpm(InstanceVolumes.TpmOf(root, other), tpmUid is null ? [] : [.. record.Files.Keys.Where(f => f.StartsWith($"{TpmName}/", StringComparison.Ordinal)).Select(f => f[(TpmName.Length + 1)..]).Where(n => TpmFile().IsMatch(n))], tpmUid ?? 0);
        Posix.SyncDirectory($"{root.Instances}/{other}");
    }

    /// <summary>Of what lies in the folder.</summary>
    public long Bytes => Exists ? Directory.EnumerateFiles(_path, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length) : 0;

    private void PutNvram(string nvram, bool had)
    {
        if (had)
        {
            Copy($"{_path}/{NvramName}", $"{nvram}.new");
            File.Move($"{nvram}.new", nvram, overwrite: true);
        }
        else if (File.Exists(nvram))
        {
            File.Delete(nvram);
        }
    }

    /// <summary>A folder that is another user's is never written into: one made beside it takes its place.</summary>
    private void PutTpm(string tpm, IReadOnlyList<string> files, int uid)
    {
        foreach (var folder in (string[])[$"{tpm}.new", $"{tpm}.old"])
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
        }

        if (files.Count > 0)
        {
            Directory.CreateDirectory($"{tpm}.new", OwnerOnly);
            foreach (var file in files)
            {
                Copy($"{_path}/{TpmName}/{file}", $"{tpm}.new/{file}");
                Posix.Chown($"{tpm}.new/{file}", uid, uid);
            }

            Posix.SyncDirectory($"{tpm}.new");
            Posix.Chown($"{tpm}.new", uid, uid);
        }

        if (Directory.Exists(tpm))
        {
            Directory.Move(tpm, $"{tpm}.old");
        }

        if (files.Count > 0)
        {
            Directory.Move($"{tpm}.new", tpm);
        }

        if (Directory.Exists($"{tpm}.old"))
        {
            Directory.Delete($"{tpm}.old", recursive: true);
        }
    }

    private static string Sha256Of(string path)
    {
        using var file = new FileStream(Posix.OpenRegular(path), FileAccess.Read);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    /// <summary>Copies a regular file, flushed to disk; a link is not followed.</summary>
    /// <returns>Its SHA-256.</returns>
    /// <exception cref="IOException"/>
    private static string Copy(string from, string to)
    {
        using var source = new FileStream(Posix.OpenRegular(from), FileAccess.Read);
        using var target = new FileStream(to, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        using var sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 16];
        var copied = 0L;
        for (int read; (read = source.Read(buffer)) > 0;)
        {
            if ((copied += read) > MostBytes)
            {
                throw new IOException($"{from} has more than {MostBytes} bytes.");
            }

            sum.AppendData(buffer.AsSpan(0, read));
            target.Write(buffer.AsSpan(0, read));
        }

        target.Flush(flushToDisk: true);
        return Convert.ToHexStringLower(sum.GetHashAndReset());
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\z", RegexOptions.CultureInvariant)]
    private static partial Regex TpmFile();
}
