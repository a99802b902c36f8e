using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;

namespace Gantry.Daemon.Tests.Support;

/// <summary>A real guest that writes numbered blocks to its disk without end, each flushed before the next, and says which. Begun anew, it goes on behind what is there.</summary>
internal sealed partial class WritingGuest(RealMachines machines, string name)
{
    /// <summary>A line has 8 bytes, so that no block ends within one.</summary>
    private const string Script = """
        n=$(tr -d '\000' </dev/vda | uniq | wc -l)
        echo "found $n."
        while :; do
            yes $(printf %07d $n) | head -c 4096 | dd of=/dev/vda bs=4096 seek=$n conv=notrunc,fsync 2>/dev/null
            echo "wrote $n."
            n=$((n + 1))
        done
        """;

    public string Name => name;

    public Task<Instance> LaunchAsync() => machines.LaunchAsync(name, InstanceKind.Microvm, Script, [new() { Name = "data", SizeBytes = 16 * Limits.MiB }]);

    public Task StartAsync() => RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync(name, InstanceAction.Start, 120));

    /// <summary>The number of the last block it has flushed since its last start, once it is at least that.</summary>
    public async Task<int> WroteAsync(int least = 0)
    {
        var last = -1;
        await Eventually.ShouldBeAsync(async () => (last = Numbers(Wrote(), (await SaidAsync()).Split("found ")[^1]).LastOrDefault(-1)) >= least, true);
        return last;
    }

    /// <summary>How many blocks it found at its nth start, from 0.</summary>
    public async Task<int> FoundAsync(int start = 0)
    {
        var found = new List<int>();
        await Eventually.ShouldBeAsync(async () => (found = [.. Numbers(Found(), await SaidAsync())]).Count > start, true);
        return found[start];
    }

    /// <summary>Its QEMU, as by a power cut.</summary>
    public async Task KillAsync()
    {
        using (var qemu = Process.GetProcessById((await machines.Api.GetInstanceAsync(name)).Observed!.Pid!.Value))
        {
            qemu.Kill();
        }

        await Eventually.ShouldBeAsync(async () => (await machines.Api.GetInstanceAsync(name)).State, InstanceState.Stopped);
    }

    private async Task<string> SaidAsync() => (await machines.Api.GetLogsAsync(name, Limits.LogBytes)).Text;

    private static IEnumerable<int> Numbers(Regex what, string text) => what.Matches(text).Select(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"wrote ([0-9]+)\.", RegexOptions.CultureInvariant)]
    private static partial Regex Wrote();

    [GeneratedRegex(@"found ([0-9]+)\.", RegexOptions.CultureInvariant)]
    private static partial Regex Found();
}
