using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Instances;

/// <summary>The files of an instance's volumes, in its folder. Each is there whole or not at all.</summary>
internal sealed class InstanceVolumes(GantryRoot root, QemuImg disks, GeneratedDiscs discs)
{
    // A tool that makes an image of a disk runs as a user of its own, who is let to that one file.
    private const UnixFileMode PassThrough = (UnixFileMode)0b111_001_001;

    public static string PathOf(GantryRoot root, Id<Instance> id, string volume) => $"{root.Instances}/{id}/volumes/{volume}.qcow2";

    /// <summary>What the firmware remembers: boot entries, keys.</summary>
    public static string NvramOf(GantryRoot root, Id<Instance> id) => $"{root.Instances}/{id}/nvram";

    /// <summary>The folder of its TPM's state.</summary>
    public static string TpmOf(GantryRoot root, Id<Instance> id) => $"{root.Instances}/{id}/tpm";

    /// <summary>Makes those disks that are not there yet; what is there is kept. Discs of Gantry's own are made to say what they should.</summary>
    public async Task EnsureAsync(InstanceSpec spec, CancellationToken ct)
    {
        foreach (var volume in (spec.Volumes ?? []).Where(v => v.Device == VolumeDevice.Disk))
        {
            var path = PathOf(root, spec.Id, volume.Name);
            if (!File.Exists(path))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!, PassThrough);
                await CreateAsync(volume, $"{path}.new", ct);
                File.SetUnixFileMode($"{path}.new", UnixFileMode.UserRead | UnixFileMode.UserWrite);
                File.Move($"{path}.new", path);
                Posix.SyncDirectory(Path.GetDirectoryName(path)!);
            }
        }

        discs.Ensure(spec);
    }

    /// <summary>Makes the disc for cloud-init say what it should.</summary>
    public void EnsureSeed(InstanceSpec spec) => discs.EnsureSeed(spec);

    private async Task CreateAsync(VolumeSpec volume, string path, CancellationToken ct)
    {
        try
        {
            await disks.CreateAsync(path, volume.SizeBytes, volume.Image is { } image ? ImageFolders.Disk(root, image) : null, ct);
        }
        catch (CommandFailed e)
        {
            throw Refusal.Unavailable("volume.not_made", $"The volume '{volume.Name}' could not be made: {e.Message}", "See that there is room under the data directory, and try again.");
        }
    }
}
