using System.Globalization;

namespace Gantry.Node.Drivers;

/// <summary>Why the NICs of a running instance are not as was wanted, in sentences that are the same whichever driver says them.</summary>
public static class NicReasons
{
    public const string NoPlug = "A running microVM or container cannot be given other NICs.";
    public const string NoUnplug = "A running microVM or container keeps its NICs: its cable is pulled.";
    public const string Unanswered = "It is paused: its guest has to take part. Its cable is pulled.";
    public const string Held = "Its guest has not let go yet of the NIC that had this name before.";

    public static string Room(int most) => string.Create(CultureInfo.InvariantCulture, $"It was started with room for {most} NICs.");

    public static string Kept(TimeSpan waited) => string.Create(CultureInfo.InvariantCulture, $"The guest did not let go of it within {waited.TotalSeconds:0} s: its cable is pulled.");

    public static string Refused(string why) => $"The NIC could not be plugged in: {why}";
}
