using System.Globalization;
using Gantry.Node.Host;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>What the launcher is asked to start, and as whom; its options are described in <c>Launcher/gantry-launch.c</c>.</summary>
/// <param name="Uid">The user and group the program runs as.</param>
/// <param name="Run">The folder for its descriptors' sockets and what is written down of the process.</param>
/// <param name="Program">What it executes in the end, with its arguments.</param>
internal sealed record LaunchCommand(string Launcher, int Uid, string Run, string Serial, string Log, IReadOnlyList<string> Program)
{
    /// <summary>As much as is kept of the serial line.</summary>
    public long SerialBytes { get; init; } = 65536;

    /// <summary>A command around the launcher.</summary>
    public IReadOnlyList<string> Before { get; init; } = [];

    public IReadOnlyList<string> Options { get; init; } = [];

    public Command Within(TimeSpan deadline)
    {
        string[] all =
        [
            .. Before, Launcher, .. Options, "--uid", Text(Uid), "--run", Run, "--serial", Serial, "--serial-limit", Text(SerialBytes), "--log", Log, "--", .. Program,
        ];
        return new(all[0], all[1..], deadline);
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
