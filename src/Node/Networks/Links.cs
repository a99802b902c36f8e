using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Networks;

/// <summary>The host's network devices, read and changed by iproute2: one process for many of them.</summary>
internal sealed class Links(IShell shell)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    public async Task<IReadOnlyList<HostLink>> ReadAsync(CancellationToken ct) =>
        Parsed(HostLink.ReadAll, await RunAsync("ip", ["-json", "-details", "address", "show"], null, ct));

    /// <summary>Where the plan's VXLAN devices send to; nothing when it has none that is there.</summary>
    public async Task<IReadOnlyList<ForwardingEntry>> EntriesAsync(LinkPlan plan, IReadOnlyList<HostLink> links, CancellationToken ct) =>
        plan.Links.Any(l => l.Vxlan is not null && links.Any(h => h.Name == l.Name))
            ? Parsed(ForwardingEntry.ReadAll, await RunAsync("bridge", ["-json", "fdb", "show"], null, ct)) : [];

    /// <exception cref="Refusal"><c>network.not_set_up</c>, with the kernel's word for the device.</exception>
    public async Task MakeAsync(LinkChanges changes, CancellationToken ct)
    {
        await BatchAsync("ip", changes.Make, ct);
        if (changes.Settings.Count > 0)
        {
            await SetAsync(changes.Settings, ct);
        }

        await BatchAsync("ip", changes.Set, ct);
        await BatchAsync("bridge", changes.Flood, ct);
    }

    /// <summary>Sets keys of the kernel; those that it does not have are left out.</summary>
    /// <param name="assignments">Such as <c>net/ipv4/ip_forward=1</c>.</param>
    public Task SetAsync(IReadOnlyList<string> assignments, CancellationToken ct) => RunAsync("sysctl", ["-e", "-q", "-w", .. assignments], null, ct);

    /// <summary>What these keys of the kernel are, by the names asked for; without those it does not have.</summary>
    public async Task<IReadOnlyDictionary<string, string>> GetAsync(IReadOnlyList<string> keys, CancellationToken ct)
    {
        // It writes '.' for '/' and the other way round: the name of a device may have a '.'.
        var asked = keys.ToDictionary(k => string.Concat(k.Select(c => c switch { '/' => '.', '.' => '/', _ => c })));
        return (await RunAsync("sysctl", ["-e", .. keys], null, ct)).Split('\n').Select(l => l.Split(" = ", 2))
            .Where(l => l.Length == 2 && asked.ContainsKey(l[0])).ToDictionary(l => asked[l[0]], l => l[1].Trim());
    }

    /// <summary>Of both families and all tables.</summary>
    public async Task<IReadOnlyList<HostRoute>> RoutesAsync(CancellationToken ct)
    {
        var both = await Task.WhenAll(((string[])["-4", "-6"]).Select(family => RunAsync("ip", ["-json", family, "route", "show", "table", "all"], null, ct)));
        return [.. both.SelectMany(r => Parsed(HostRoute.ReadAll, r))];
    }

    private async Task BatchAsync(string program, IReadOnlyList<string> lines, CancellationToken ct)
    {
        if (lines.Count == 0)
        {
            return;
        }

        try
        {
            await shell.RunAsync(new(program, ["-batch", "-"], Soon, Input: string.Concat(lines.Select(l => $"{l}\n"))), ct);
        }
        catch (CommandFailed failed) when (failed.ExitCode is not null)
        {
            throw NodeNetworkErrors.NotSetUp(Culprit(program, lines, failed.Errors));
        }
    }

    /// <summary>The line it stopped at, as <c>Command failed -:N</c> says, and why.</summary>
    private static string Culprit(string program, IReadOnlyList<string> lines, string errors)
    {
        const string mark = "Command failed -:";
        var said = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var words = string.Join(" / ", said.Where(l => !l.StartsWith(mark, StringComparison.Ordinal)));
        var at = errors.LastIndexOf(mark, StringComparison.Ordinal);
        return at >= 0 && int.TryParse(errors[(at + mark.Length)..].Split('\n')[0], CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= lines.Count
            ? $"`{program} {lines[number - 1]}`: {words}"
            : words;
    }

    private async Task<string> RunAsync(string program, IReadOnlyList<string> arguments, string? input, CancellationToken ct)
    {
        try
        {
            return (await shell.RunAsync(new(program, arguments, Soon, Input: input), ct)).Output;
        }
        catch (CommandFailed failed)
        {
            throw NodeNetworkErrors.NotSetUp(failed.Message);
        }
    }

    private static IReadOnlyList<T> Parsed<T>(Func<string, IReadOnlyList<T>> read, string json)
    {
        try
        {
            return json.Trim().Length == 0 ? [] : read(json);
        }
        catch (JsonException e)
        {
            throw NodeNetworkErrors.NotSetUp($"what iproute2 wrote cannot be read: {e.Message}");
        }
    }
}
