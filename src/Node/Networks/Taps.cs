using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node.Host;
using Microsoft.Extensions.Logging;

namespace Gantry.Node.Networks;

/// <summary>
/// The host's ends of NICs: a TAP device for each that is on a network, on that network's bridge from before its guest starts until
/// that has ended. They are persistent, so that they outlive the daemon, and nobody's: QEMU gets a descriptor. Which devices
/// an instance has is written in its run folder, as <c>taps</c>, before they are made; each also says by its alias whose it is.
/// </summary>
internal sealed partial class Taps(NodeContext node)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly ILogger _logger = node.Logs.CreateLogger<Taps>();
    private readonly TapLimits _limits = new(node.Shell, Deadline);

    /// <summary>Makes the devices of these NICs anew, those that are on a network. The filters for their names are there already.</summary>
    /// <exception cref="Refusal"><c>network.not_working</c></exception>
    /// <exception cref="CommandFailed"/>
    public async Task MakeAsync(Id<Instance> id, IReadOnlyList<NicSpec> nics, CancellationToken ct)
    {
        var plugged = nics.Where(n => n.Network is not null).ToList();
        var bridges = new Dictionary<Id<Network>, Bridge>();
        foreach (var network in plugged.Select(n => n.Network!.Value).Distinct())
        {
            bridges[network] = await BridgeAsync(network, ct);
        }

        if (plugged.Count == 0)
        {
            return;
        }

        var devices = plugged.SelectMany(nic => DevicesOf(id, nic)).ToList();
        Record(id, [.. Recorded(id).Union(devices)]);
        var commands = plugged.SelectMany(nic => Make(id, nic, bridges[nic.Network!.Value])).ToList();
        try
        {
            await IpAsync(commands, force: false, ct);
        }
        catch (CommandFailed)
        {
            // What a run folder that was emptied no longer told of is still there.
            await DeleteAsync(devices, ct);
            await IpAsync(commands, force: false, ct);
        }

        foreach (var nic in plugged.Where(n => n.Limits is not null))
        {
            await LimitAsync(id, nic, ct);
        }
    }

    /// <summary>Makes these be the limits of a NIC from now on. One that is on no network has none to keep.</summary>
    /// <exception cref="CommandFailed"/>
    public async Task LimitAsync(Id<Instance> id, NicSpec nic, CancellationToken ct)
    {
        if (nic.Network is not null)
        {
            Record(id, [.. Recorded(id).Union(DevicesOf(id, nic))]);
            await _limits.ApplyAsync(NetworkNames.Tap(id, nic.Name), NetworkNames.Ifb(id, nic.Name), Alias(id, nic.Name), nic.Limits, ct);
        }
    }

    /// <summary>Removes all an instance has. What cannot be removed is logged: it is made anew at the next start or swept by the next daemon.</summary>
    public async Task RemoveAsync(Id<Instance> id)
    {
        if (Recorded(id) is { Length: > 0 } devices)
        {
            await TryDeleteAsync(devices);
            Record(id, []);
        }
    }

    /// <summary>Removes those of one NIC.</summary>
    public async Task RemoveAsync(Id<Instance> id, string nic)
    {
        string[] devices = [NetworkNames.Tap(id, nic), NetworkNames.Ifb(id, nic)];
        var recorded = Recorded(id);
        await TryDeleteAsync([.. recorded.Intersect(devices)]);
        Record(id, [.. recorded.Except(devices)]);
    }

    /// <summary>Pulls the cable of a NIC that its guest still holds.</summary>
    public async Task PullAsync(Id<Instance> id, string nic, CancellationToken ct)
    {
        var tap = NetworkNames.Tap(id, nic);
        if (Recorded(id).Contains(tap))
        {
            await IpAsync([$"link set dev {tap} down nomaster"], force: false, ct);
        }
    }

    /// <summary>Whether the cable of a NIC was pulled (<see cref="PullAsync"/>).</summary>
    public async Task<bool> IsPulledAsync(Id<Instance> id, string nic, CancellationToken ct) =>
        Recorded(id).Contains(NetworkNames.Tap(id, nic))
            && !((await TryShowAsync(NetworkNames.Tap(id, nic), ct))?.Flags ?? []).Contains("UP");

    /// <summary>Removes devices of this root that no run folder tells of, such as those of a folder that was emptied by hand.</summary>
    public async Task SweepAsync(CancellationToken ct)
    {
        try
        {
            var prefix = Alias(null, null);
            var left = (await ShowAsync(["link", "show"], ct)).Where(l => l.Alias?.StartsWith(prefix, StringComparison.Ordinal) == true
                && !(l.Alias[prefix.Length..].Split(':') is [var owner, _] && Id<Instance>.TryParse(owner, null, out var id) && Recorded(id).Contains(l.Name)));
            await DeleteAsync([.. left.Select(l => l.Name)], ct);
        }
        catch (CommandFailed e)
        {
            LogNotRemoved(_logger, "that nobody has", e.Message);
        }
    }

    /// <exception cref="CommandFailed"/>
    public async Task<IReadOnlyList<NicStatistics>> StatisticsAsync(Id<Instance> id, IReadOnlyList<NicSpec> nics, CancellationToken ct)
    {
        if (Recorded(id).Length == 0)
        {
            return [];
        }

        var links = (await ShowAsync(["-s", "link", "show", "type", "tun"], ct)).ToDictionary(l => l.Name);
        var dropped = nics.Any(n => n.Limits is not null) ? await _limits.DroppedAsync(ct) : new Dictionary<string, long>();
        return
        [
            .. from nic in nics
               let tap = NetworkNames.Tap(id, nic.Name)
               where links.ContainsKey(tap)
               let link = links[tap]
               select new NicStatistics(
                   nic.Name, link.Statistics.Sent.Bytes, link.Statistics.Sent.Packets, link.Statistics.Sent.Dropped + dropped.GetValueOrDefault(tap),
                   link.Statistics.Received.Bytes, link.Statistics.Received.Packets, link.Statistics.Received.Dropped + dropped.GetValueOrDefault(NetworkNames.Ifb(id, nic.Name))),
        ];
    }

    private static IEnumerable<string> DevicesOf(Id<Instance> id, NicSpec nic) =>
        nic.Limits?.SendBytesPerSecond is null ? [NetworkNames.Tap(id, nic.Name)] : [NetworkNames.Tap(id, nic.Name), NetworkNames.Ifb(id, nic.Name)];

    private IEnumerable<string> Make(Id<Instance> id, NicSpec nic, Bridge bridge)
    {
        var tap = NetworkNames.Tap(id, nic.Name);
        yield return $"tuntap add dev {tap} mode tap vnet_hdr";
        yield return string.Create(CultureInfo.InvariantCulture, $"link set dev {tap} mtu {bridge.Mtu} address {AddressOf(nic.Mac)} addrgenmode none alias {Alias(id, nic.Name)}");
        yield return $"link set dev {tap} master {bridge.Name}";
        yield return $"link set dev {tap} up";
    }

    /// <summary>
    /// Other than the guest's, and higher than any real card's: a bridge of the host's takes the lowest address of its ports for its
    /// own, and that must not change with a guest.
    /// </summary>
    private static string AddressOf(string mac) => (mac.StartsWith("fe", StringComparison.OrdinalIgnoreCase) ? "fa" : "fe") + mac[2..];

    private string Alias(Id<Instance>? id, string? nic) => $"gantry:{node.Root.Path}:{id}{(nic is null ? "" : $":{nic}")}";

    /// <exception cref="Refusal"><c>network.not_working</c></exception>
    private async Task<Bridge> BridgeAsync(Id<Network> network, CancellationToken ct)
    {
        var spec = ReadNetwork(network);
        var name = spec.Kind == NetworkKind.Bridge ? spec.Device ?? "" : NetworkNames.Bridge(network);
        return !DeviceName().IsMatch(name) || await TryShowAsync(name, ct) is not { } link ? throw NicErrors.NetworkNotWorking(spec.Name, $"its bridge '{name}' is not there")
            : link.Kind != "bridge" ? throw NicErrors.NetworkNotWorking(spec.Name, $"'{name}' is no bridge")
            : new(name, link.Mtu);
    }

    private NetworkSpec ReadNetwork(Id<Network> network)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes($"{node.Root.Networks}/{network}.json"), NetworkJson.Default.NetworkSpec) ?? throw NicErrors.NetworkUnknown(network);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw NicErrors.NetworkUnknown(network);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw NicErrors.NetworkNotWorking($"{network}", $"its file on this node cannot be read ({e.Message})");
        }
    }

    private async Task TryDeleteAsync(IReadOnlyCollection<string> devices)
    {
        try
        {
            await DeleteAsync(devices, CancellationToken.None);
        }
        catch (CommandFailed e)
        {
            LogNotRemoved(_logger, string.Join(", ", devices), e.Message);
        }
    }

    /// <summary>Some may be gone already.</summary>
    private async Task DeleteAsync(IReadOnlyCollection<string> devices, CancellationToken ct)
    {
        try
        {
            await IpAsync([.. devices.Select(d => $"link del dev {d}")], force: true, ct);
        }
        catch (CommandFailed)
        {
            if ((await ShowAsync(["link", "show"], ct)).Any(l => devices.Contains(l.Name)))
            {
                throw;
            }
        }
    }

    private async Task<HostLink?> TryShowAsync(string device, CancellationToken ct)
    {
        try
        {
            return (await ShowAsync(["-d", "link", "show", "dev", device], ct)).SingleOrDefault();
        }
        catch (CommandFailed e) when (e.ExitCode is not null)
        {
            return null;
        }
    }

    private async Task<IReadOnlyList<HostLink>> ShowAsync(IReadOnlyList<string> arguments, CancellationToken ct)
    {
        var said = await node.Shell.RunAsync(new("ip", ["-json", .. arguments], Deadline), ct);
        try
        {
            return HostLink.ReadAll(said.Output);
        }
        catch (JsonException e)
        {
            throw new CommandFailed($"ip wrote something odd: {e.Message}", 0, "", e);
        }
    }

    /// <param name="force">Goes on with the next after one that failed, and fails in the end.</param>
    private async Task IpAsync(List<string> commands, bool force, CancellationToken ct)
    {
        if (commands.Count > 0)
        {
            await node.Shell.RunAsync(new("ip", force ? ["-force", "-batch", "-"] : ["-batch", "-"], Deadline, Input: string.Join('\n', commands) + "\n"), ct);
        }
    }

    private string[] Recorded(Id<Instance> id)
    {
        try
        {
            return File.ReadAllLines(RecordOf(id));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return [];
        }
    }

    private void Record(Id<Instance> id, IReadOnlyList<string> devices)
    {
        if (devices.Count > 0)
        {
            AtomicFile.Write(RecordOf(id), System.Text.Encoding.ASCII.GetBytes(string.Concat(devices.Select(d => $"{d}\n"))));
        }
        else if (File.Exists(RecordOf(id)))
        {
            File.Delete(RecordOf(id));
        }
    }

    private string RecordOf(Id<Instance> id) => $"{node.Root.InstancesRun}/{id}/taps";

    [GeneratedRegex(@"\A[A-Za-z0-9_.-]{1,15}\z")]
    private static partial Regex DeviceName();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Network devices were not removed ({Devices}): {Reason}")]
    private static partial void LogNotRemoved(ILogger logger, string devices, string reason);

    private readonly record struct Bridge(string Name, int Mtu);
}
