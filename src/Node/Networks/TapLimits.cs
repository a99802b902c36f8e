using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Networks;

/// <summary>
/// Rates of a TAP device, kept by token buckets (tc-tbf(8)) that hold packets back for a while before they drop any. What goes to the
/// guest waits on the TAP itself. What comes from it goes round by an IFB device of its own and waits there: policing instead would
/// drop at once, and not every kernel has it. Behind the IFB a packet goes on where it was, past hooks of nftables' family
/// <c>netdev</c> but through those of <c>bridge</c>.
/// </summary>
internal sealed class TapLimits(IShell shell, TimeSpan deadline)
{
    private const long LeastBurst = 64 << 10; // the longest packet a guest hands over in one
    private const long MostBurst = 64 << 20;
    private const long LeastQueue = 256 << 10;
    private const long MostQueue = 256 << 20;

    /// <summary>Makes these be the limits; can be repeated, and changes without an interruption.</summary>
    /// <param name="ifb">Made and removed as need be.</param>
    /// <param name="alias">Says whose the IFB is.</param>
    /// <exception cref="CommandFailed"/>
    public async Task ApplyAsync(string tap, string ifb, string alias, NicLimits? limits, CancellationToken ct)
    {
        var present = await KindsAsync(tap, ct);
        if (limits?.SendBytesPerSecond is not null && !await IsThereAsync(ifb, ct))
        {
            await RunAsync("ip", [$"link add dev {ifb} type ifb", $"link set dev {ifb} addrgenmode none alias {alias}"], ct);
        }

        await RunAsync("tc",
        [
            .. limits?.ReceiveBytesPerSecond is { } receive ? (string[])[Bucket(tap, receive)] : present.Contains("tbf") ? [$"qdisc del dev {tap} root"] : [],
            .. limits?.SendBytesPerSecond is { } send ? [Bucket(ifb, send)] : present.Contains("ingress") ? (string[])[$"qdisc del dev {tap} ingress"] : [],
        ], ct);
        if (limits?.SendBytesPerSecond is not null)
        {
            await RunAsync("ip", [$"link set dev {ifb} up"], ct);
            await RunAsync("tc",
            [
                $"qdisc replace dev {tap} ingress",
                $"filter replace dev {tap} parent ffff: prio 1 handle 800::800 protocol all u32 match u32 0 0 action mirred egress redirect dev {ifb}",
            ], ct);
        }
        else if (await IsThereAsync(ifb, ct))
        {
            await RunAsync("ip", [$"link del dev {ifb}"], ct);
        }
    }

    /// <summary>How many packets limits have dropped, by device.</summary>
    /// <exception cref="CommandFailed"/>
    public async Task<IReadOnlyDictionary<string, long>> DroppedAsync(CancellationToken ct) =>
        (await ShowAsync(["-s", "qdisc", "show"], q => (Device: q.GetProperty("dev").GetString()!, Kind: KindOf(q), Drops: q.TryGetProperty("drops", out var drops) ? drops.GetInt64() : 0), ct))
            .Where(q => q.Kind == "tbf").GroupBy(q => q.Device).ToDictionary(g => g.Key, g => g.Sum(q => q.Drops));

    /// <summary>tc says <c>bps</c> for bytes a second. A hundredth of a second may go at once, a twentieth may wait.</summary>
    private static string Bucket(string device, long bytesPerSecond) => string.Create(
        CultureInfo.InvariantCulture,
        $"qdisc replace dev {device} root tbf rate {bytesPerSecond}bps burst {Math.Clamp(bytesPerSecond / 100, LeastBurst, MostBurst)} limit {Math.Clamp(bytesPerSecond / 20, LeastQueue, MostQueue)}");

    private async Task<IReadOnlyCollection<string>> KindsAsync(string device, CancellationToken ct) => await ShowAsync(["qdisc", "show", "dev", device], KindOf, ct);

    private static string KindOf(JsonElement qdisc) => qdisc.GetProperty("kind").GetString()!;

    private async Task<List<T>> ShowAsync<T>(IReadOnlyList<string> arguments, Func<JsonElement, T> read, CancellationToken ct)
    {
        var output = (await shell.RunAsync(new("tc", ["-json", .. arguments], deadline), ct)).Output;
        try
        {
            using var document = JsonDocument.Parse(output);
            return [.. document.RootElement.EnumerateArray().Where(q => q.TryGetProperty("kind", out _)).Select(read)];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new CommandFailed($"tc wrote something odd: {e.Message}", 0, "", e);
        }
    }

    private async Task<bool> IsThereAsync(string device, CancellationToken ct)
    {
        try
        {
            await shell.RunAsync(new("ip", ["link", "show", "dev", device], deadline), ct);
            return true;
        }
        catch (CommandFailed e) when (e.ExitCode is not null)
        {
            return false;
        }
    }

    private async Task RunAsync(string program, IReadOnlyList<string> commands, CancellationToken ct)
    {
        if (commands.Count > 0)
        {
            await shell.RunAsync(new(program, ["-batch", "-"], deadline, Input: string.Join('\n', commands) + "\n"), ct);
        }
    }
}
