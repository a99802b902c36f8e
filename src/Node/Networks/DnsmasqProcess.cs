using System.Globalization;
using System.Text;
using Gantry.Node.Host;

namespace Gantry.Node.Networks;

/// <summary>A dnsmasq as it is written down: which process it is, as whom it runs, and what it was started with.</summary>
/// <param name="Start">As <see cref="HostProcess.StartOf"/> says it.</param>
/// <param name="Bridge">The number of the device it is bound to.</param>
/// <param name="Options">Their SHA-256.</param>
internal sealed record DnsmasqProcess(int Pid, long Start, int Uid, int Bridge, string Options)
{
    private const string Name = "process";

    public bool Lives => HostProcess.StartOf(Pid) == Start;

    /// <summary>Null when nothing is written, or before the host last restarted.</summary>
    public static DnsmasqProcess? Read(string run)
    {
        try
        {
            return File.ReadAllText($"{run}/{Name}").Split(' ', '\n') is [var boot, var pid, var start, var uid, var bridge, var options, ..] && boot == $"{HostFacts.BootId}"
                ? new(Number(pid), long.Parse(start, CultureInfo.InvariantCulture), Number(uid), Number(bridge), options)
                : null;
        }
        catch (Exception e) when (e is IOException or FormatException or OverflowException)
        {
            return null;
        }
    }

    public void Write(string run) => AtomicFile.Write(
        $"{run}/{Name}", Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{HostFacts.BootId} {Pid} {Start} {Uid} {Bridge} {Options}\n")));

    /// <summary>Makes it read its files of addresses and names again.</summary>
    public void HangUp()
    {
        using var process = HostProcess.Find(Pid, Start);
        process?.HangUp();
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
