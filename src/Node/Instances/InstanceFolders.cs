using System.Text.Json;
using Gantry.Contracts;

using Gantry.Node.Host;

namespace Gantry.Node.Instances;

/// <summary>
/// The folder of each instance: <c>data/instances/{id}</c> for what must last, <c>run/instances/{id}</c> for sockets and pid files.
/// Folders are named by id, so a removal can only ever hit its own instance.
/// </summary>
public sealed class InstanceFolders(GantryRoot root)
{
    public string Data(Id<Instance> id) => $"{root.Instances}/{id}";

    public string Run(Id<Instance> id) => $"{root.InstancesRun}/{id}";

    /// <summary>Every instance that has a folder, damaged ones too.</summary>
    public IReadOnlyList<Id<Instance>> All() =>
    [
        .. Directory.EnumerateDirectories(root.Instances)
            .Select(d => Id<Instance>.TryParse(Path.GetFileName(d), null, out var id) ? id : default)
            .Where(id => id != default),
    ];

    /// <summary>Writes the folder whole or not at all: a reader never sees half a specification.</summary>
    public void Write(InstanceSpec spec)
    {
        var folder = Data(spec.Id);
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, (UnixFileMode)0b111_001_001);
        AtomicFile.Write($"{folder}/spec.json", JsonSerializer.SerializeToUtf8Bytes(spec, SpecJson.Default.InstanceSpec));
    }

    /// <exception cref="Refusal"><c>instance.unknown_here</c> without a folder, <c>instance.folder_damaged</c> with one that cannot be read.</exception>
    public InstanceSpec Read(Id<Instance> id)
    {
        var path = $"{Data(id)}/spec.json";
        try
        {
            var spec = JsonSerializer.Deserialize(File.ReadAllBytes(path), SpecJson.Default.InstanceSpec)
                ?? throw InstanceFolderErrors.Damaged(path, "it says null");
            return spec.Id != id ? throw InstanceFolderErrors.Damaged(path, $"it is of {spec.Id}")
                : spec.Version > InstanceSpec.Newest ? throw InstanceFolderErrors.Damaged(path, $"it was written by a newer Gantry (version {spec.Version})")
                : spec;
        }
        catch (DirectoryNotFoundException)
        {
            throw InstanceFolderErrors.Unknown(id);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw InstanceFolderErrors.Damaged(path, e.Message);
        }
    }

    public void Remove(Id<Instance> id)
    {
        foreach (var folder in (string[])[Run(id), Data(id)])
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }
}

internal static class InstanceFolderErrors
{
    public static Refusal Unknown(Id<Instance> id) =>
        Refusal.NotFound("instance.unknown_here", $"This node keeps no instance {id}.", "List them with `gantry list`; delete it and create it anew if it is still shown there.");

    public static Refusal Damaged(string path, string why) =>
        Refusal.Conflict("instance.folder_damaged", $"{path} cannot be read: {why}.", "Restore the file from a copy, or delete the instance.");
}
