using System.Globalization;
using Gantry.Node.Host;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// How often a guest was reset, also while no daemon listened: QEMU remembers no reset, but writes its trace event
/// <c>resettable_reset</c> to its log for each object it resets, the same few objects at every reset of the machine.
/// </summary>
/// <param name="kept">Where the number that is known is kept, in the run folder.</param>
internal sealed class QemuResets(string log, string kept)
{
    public const string TraceEvent = "resettable_reset";

    public int Known { get; set; }

    /// <summary>Reads what was known and what QEMU has logged since; true when there are more.</summary>
    public bool NewlyLogged()
    {
        var logged = CountIn(QemuLog.Lines(log));
        Known = int.TryParse(QemuLog.TryRead(kept), CultureInfo.InvariantCulture, out var known) ? known : 0;
        if (logged == Known)
        {
            return false;
        }

        // Fewer, where the log's older half has gone since: then nobody can tell, and it is counted anew.
        (known, Known) = (Known, logged);
        Save();
        return logged > known;
    }

    public void Save()
    {
        try
        {
            AtomicFile.Write(kept, System.Text.Encoding.ASCII.GetBytes(Known.ToString(CultureInfo.InvariantCulture)));
        }
        catch (IOException)
        {
            // The folder is gone with its guest, or the disk is full: at worst a reset is told twice.
        }
    }

    /// <summary>
    /// The first object that appears is reset once more while QEMU starts; the second once then and once with every reset
    /// of the machine.
    /// </summary>
    public static int CountIn(IEnumerable<string> lines)
    {
        string? first = null, second = null;
        var count = 0;
        foreach (var line in lines.Where(QemuLog.IsTrace))
        {
            first ??= line;
            second ??= line != first ? line : null;
            count += line == second ? 1 : 0;
        }

        return Math.Max(0, count - 1);
    }
}
