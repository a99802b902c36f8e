using System.Globalization;

namespace Gantry.Node.Drivers;

/// <summary>Why the disks of a running instance are not as was wanted, in sentences that are the same whichever driver says them.</summary>
public static class DiskReasons
{
    public const string NoPlug = "A running microVM or container cannot be given other disks.";
    public const string NoUnplug = "A running microVM or container keeps its disks.";
    public const string NoSata = "What is on sata is plugged in and pulled out while the instance is stopped.";
    public const string DriveStays = "The drive on sata stays while the instance runs; no disc is in it.";
    public const string NoController = "It was started without a controller for scsi, which comes with the first disk on scsi.";
    public const string Unanswered = "It is paused: its guest has to take part.";
    public const string Held = "Its guest has not let go yet of the disk that had this name before.";
    public const string Busy = "Something is being copied from it or to it.";
    public const string TrayLocked = "The guest uses the disc that is in the drive, and keeps it locked.";
    public const string NoNetwork = "It was started without a disk in Ceph, and so without the network that leads there.";
    public const string Older = "It was started by an earlier Gantry.";

    public static string Room(int most) => string.Create(CultureInfo.InvariantCulture, $"It was started with room for {most} disks on virtio and nvme.");

    public static string Kept(TimeSpan waited) => string.Create(CultureInfo.InvariantCulture, $"The guest did not let go of it within {waited.TotalSeconds:0} s.");

    public static string Refused(string why) => $"QEMU would not do it: {why}";
}
