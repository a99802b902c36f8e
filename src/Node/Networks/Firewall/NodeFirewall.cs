using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;
using Microsoft.Extensions.Logging;

namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// The node's filters: two nftables tables of Gantry's own, changed in one transaction each time. No other table is ever named.
/// Calls that change something come one at a time.
/// </summary>
internal sealed partial class NodeFirewall(NodeContext node)
{
    private const int LongestListing = 256 << 20;
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(1);

    private readonly ILogger _logger = node.Logs.CreateLogger<NodeFirewall>();

    /// <summary>What the kernel has, and what it shows of that, which is null when that could not be seen; null until it is known.</summary>
    private (Ruleset Rules, Task<NftListing[]?> Shown)? _applied;

    private string Table => NetworkNames.Table(node.Root);

    private string StateFile => $"{node.Root.Run}/firewall.json";

    /// <summary>
    /// Makes the filters be those of all these networks: all of them, or what was there stays. Known connections live on.
    /// Packets meet them when this returns; whether somebody else changed the tables meanwhile is looked at, and put right, after that.
    /// </summary>
    /// <exception cref="Refusal"><c>firewall.not_valid</c>, <c>firewall.not_applied</c></exception>
    public Task ApplyAsync(IReadOnlyList<NetworkSpec> all, CancellationToken ct) => ApplyAsync(all, Compile(all), ct);

    /// <summary>As above, with what was compiled of them before.</summary>
    /// <exception cref="Refusal"><c>firewall.not_applied</c></exception>
    public async Task ApplyAsync(IReadOnlyList<NetworkSpec> all, Ruleset wanted, CancellationToken ct)
    {
        var known = await KnownAsync();

        // Until it is done nobody knows what the kernel has, were the daemon to end here.
        _applied = null;
        File.Delete(StateFile);
        var shown = known is var (rules, before) && await TryRunAsync(Scripts(wanted, i => NftScript.Change(rules.Tables[i], wanted.Tables[i])), ct)
            ? SettleAsync(rules, before, wanted)
            : Task.FromResult<NftListing[]?>(await ReplaceAsync(wanted, ct));
        _applied = (wanted, shown);
        await AcceptLoopbackAsync(all, ct);
    }

    /// <exception cref="Refusal"><c>firewall.not_valid</c></exception>
    public Ruleset Compile(IReadOnlyList<NetworkSpec> all) => Ruleset.Compile(Table, all);

    /// <summary>Whether the kernel has the filters of these networks, untouched since they were applied.</summary>
    public async Task<bool> IsWholeAsync(IReadOnlyList<NetworkSpec> all, CancellationToken ct)
    {
        var wanted = Compile(all);
        await KnownAsync();
        var shown = await ListAsync(ct);
        var whole = ReadState() == StateOf(wanted, shown) && await AcceptsLoopbackAsync(all, ct);
        _applied = whole ? (wanted, Task.FromResult<NftListing[]?>(shown)) : null;
        return whole;
    }

    /// <summary>Of every rule, and of what no rule of an isolating policy fitted, in the order of the policies' names.</summary>
    public async Task<IReadOnlyList<PolicyCounter>> CountersAsync(NetworkSpec network, CancellationToken ct) =>
        PolicyCounters.Read(network, await RunAsync($"list table bridge {Table}\n", ct, "-t"));

    /// <summary>Takes the tables away; nothing happens when there are none.</summary>
    public async Task RemoveAsync(CancellationToken ct)
    {
        await KnownAsync();
        _applied = null;
        File.Delete(StateFile);
        var none = Compile([]);
        var script = Scripts(none, i => NftScript.Remove(none.Tables[i]));
        if (!await TryRunAsync(script, ct) && await HasTablesAsync(ct))
        {
            await RunAsync(script, ct);
        }
    }

    /// <summary>Whether nft can show tables. Where it cannot, because it is missing or the kernel has none, there is none of ours either.</summary>
    private async Task<bool> HasTablesAsync(CancellationToken ct)
    {
        try
        {
            await CommandAsync("nft", ["list", "tables"], null, ct);
            return true;
        }
        catch (Refusal)
        {
            return false;
        }
    }

    private static string Scripts(Ruleset to, Func<int, string> script) => string.Concat(to.Tables.Index().Select(t => script(t.Index)));

    private static State StateOf(Ruleset wanted, NftListing[] shown) =>
        new(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{wanted}"))), string.Join(' ', shown.Select(s => s.Digest)));

    /// <summary>What was applied last, once it has been looked at.</summary>
    private async Task<(Ruleset Rules, NftListing[] Shown)?> KnownAsync() => _applied is var (rules, showing) && await showing is { } shown ? (rules, shown) : null;

    /// <summary>Looks at what a change of what is different has made of the tables, which takes longer than the change; all is written anew where somebody else had a hand in them.</summary>
    /// <returns>What the kernel shows then; null when that cannot be told, so that the next change writes all.</returns>
    private async Task<NftListing[]?> SettleAsync(Ruleset from, NftListing[] before, Ruleset to)
    {
        try
        {
            var now = await ListAsync(CancellationToken.None);
            return now.Index().All(n => n.Item.Follows(before[n.Index], from.Tables[n.Index], to.Tables[n.Index])) ? Keep(to, now) : await ReplaceAsync(to, CancellationToken.None);
        }
#pragma warning disable CA1031 // whatever it is: who comes next writes all anew
        catch (Exception e)
        {
            LogNotSeen(_logger, e.Message);
            return null;
        }
#pragma warning restore CA1031
    }

    /// <summary>Writes all, whatever is there.</summary>
    private async Task<NftListing[]> ReplaceAsync(Ruleset wanted, CancellationToken ct)
    {
        var there = await ListAsync(ct);
        if (!await TryRunAsync(Scripts(wanted, i => NftScript.Replace(there[i], wanted.Tables[i])), ct))
        {
            await RunAsync(Scripts(wanted, i => NftScript.Anew(wanted.Tables[i])), ct);
        }

        return Keep(wanted, await ListAsync(ct));
    }

    private NftListing[] Keep(Ruleset wanted, NftListing[] shown)
    {
        AtomicFile.Write(StateFile, JsonSerializer.SerializeToUtf8Bytes(StateOf(wanted, shown), FirewallJson.Default.State));
        return shown;
    }

    /// <summary>What nft shows of each of the tables, without what packets change.</summary>
    private Task<NftListing[]> ListAsync(CancellationToken ct) => Task.WhenAll(Compile([]).Tables.Select(async table =>
    {
        try
        {
            return new NftListing(await RunAsync($"list table {table.Address}\n", ct, "-s", "-t"));
        }
        catch (Refusal e) when (e.InnerException is CommandFailed { ExitCode: 1 } failed && failed.Errors.Contains("No such file or directory", StringComparison.Ordinal))
        {
            return new NftListing("");
        }
    }));

    /// <summary>
    /// Packets the node sends to a forward on its loopback address go out of the bridge with a loopback source until that is replaced, which the
    /// kernel allows by device only (ip-sysctl, route_localnet). The filters in place by now keep guests from such addresses.
    /// </summary>
    private async Task AcceptLoopbackAsync(IReadOnlyList<NetworkSpec> all, CancellationToken ct)
    {
        if (ForwardChains.DevicesWithLoopback(all).ToList() is { Count: > 0 } devices)
        {
            await CommandAsync("sysctl", ["-q", "-e", .. devices.Select(d => $"{LoopbackOf(d)}=1")], null, ct);
        }
    }

    private async Task<bool> AcceptsLoopbackAsync(IReadOnlyList<NetworkSpec> all, CancellationToken ct) =>
        ForwardChains.DevicesWithLoopback(all).ToList() is not { Count: > 0 } devices
        || !(await CommandAsync("sysctl", ["-n", "-e", .. devices.Select(LoopbackOf)], null, ct)).Split('\n').Contains("0");

    private static string LoopbackOf(string device) => $"net.ipv4.conf.{device}.route_localnet";

    private async Task<bool> TryRunAsync(string script, CancellationToken ct)
    {
        try
        {
            await RunAsync(script, ct);
            return true;
        }
        catch (Refusal)
        {
            return false;
        }
    }

    private async Task<string> RunAsync(string script, CancellationToken ct, params string[] options) =>
        script.Length == 0 ? "" : await CommandAsync("nft", [.. options, "-f", "-"], script, ct);

    private async Task<string> CommandAsync(string program, IReadOnlyList<string> arguments, string? input, CancellationToken ct)
    {
        try
        {
            return (await node.Shell.RunAsync(new(program, arguments, Deadline, Input: input) { KeptCharacters = LongestListing }, ct)).Output;
        }
        catch (CommandFailed e)
        {
            throw FirewallErrors.NotApplied(e.Message, e);
        }
    }

    private State? ReadState()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(StateFile), FirewallJson.Default.State);
        }
        catch (Exception e) when (e is FileNotFoundException or JsonException)
        {
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The filters were changed, but could not be looked at then: {Why}")]
    private static partial void LogNotSeen(ILogger logger, string why);

    /// <param name="Wanted">Digest of what was applied.</param>
    /// <param name="Listed">Digests of what nft showed right after.</param>
    internal sealed record State(string Wanted, string Listed);
}
