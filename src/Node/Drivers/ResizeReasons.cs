using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Node.Drivers;

/// <summary>Why a running instance cannot have another size now, in sentences that are the same whichever driver says them.</summary>
public static class ResizeReasons
{
    public const string Paused = "It is paused: its guest has to take part.";
    public const string NoCpuPlug = "A running microVM or container cannot be given other CPUs.";

    public static string CpuRoom(int most) => string.Create(CultureInfo.InvariantCulture, $"It was started with room for {most} CPUs.");

    public static string MemoryRoom(long most) => $"It was started with room for {MiB(most)} of memory.";

    public static string CpuKept(TimeSpan waited) => string.Create(CultureInfo.InvariantCulture, $"The guest did not give up a CPU within {waited.TotalSeconds:0} s.");

    public static string MemoryKept(long has) => $"The guest gave memory back only down to {MiB(has)}.";

    public static string Refused(string what, string why) => $"{what} could not be plugged in: {why}";

    private static string MiB(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / Limits.MiB} MiB");
}
