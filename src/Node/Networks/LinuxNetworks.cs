using Gantry.Contracts;
using Gantry.Node.Networks.Firewall;
using Microsoft.Extensions.Logging;

namespace Gantry.Node.Networks;

/// <summary>The networks of this machine: bridges by iproute2, addresses and names by dnsmasq, filters by nftables.</summary>
public sealed partial class LinuxNetworks : INodeNetworks, IDisposable
{
    private readonly SemaphoreSlim _oneAtATime = new(1);
    private readonly NodeContext _node;
    private readonly NetworkFiles _files;
    private readonly Links _links;
    private readonly Dnsmasq _dnsmasq;
    private readonly NodeFirewall _firewall;
    private readonly ILogger _logger;

    public LinuxNetworks(NodeContext node)
    {
        _node = node;
        _files = new(node.Root);
        _links = new(node.Shell);
        _dnsmasq = new(node);
        _firewall = new(node);
        _logger = node.Logs.CreateLogger<LinuxNetworks>();
    }

    public IReadOnlyList<NetworkSpec> All() => _files.All();

    public Task ApplyAsync(IReadOnlyList<NetworkSpec> networks, CancellationToken ct) => AloneAsync(
        async () =>
        {
            foreach (var network in networks)
            {
                NetworkCheck.Demand(network);
            }

            var before = _files.All();
            NetworkSpec[] after = [.. before.ExceptBy(networks.Select(n => n.Id), n => n.Id), .. networks];
            var rules = Task.Run(() => _firewall.Compile(after), ct);
            using var draft = _files.Write(networks);
            try
            {
                await MakeAsync(networks, ct);
                await _firewall.ApplyAsync(after, await rules, ct);
                draft.Keep();
            }
            catch (Exception)
            {
                await UndoAsync(before, networks);
                throw;
            }

            return true;
        },
        ct);

    public Task RemoveAsync(Id<Network> network, CancellationToken ct) => AloneAsync(
        async () =>
        {
            await TakeDownAsync(network, ct);
            await ApplyFiltersAsync([.. _files.All().Where(n => n.Id != network)], ct);

            // Last, so that what was begun is begun again by whoever repeats it.
            _files.Remove(network);
            return true;
        },
        ct);

    public Task<IReadOnlyList<string>> RepairAsync(CancellationToken ct) => AloneAsync(
        async () =>
        {
            var all = _files.All();
            foreach (var damaged in _files.Damaged())
            {
                LogNotRepaired(_logger, damaged);
            }

            await _dnsmasq.SweepAsync(all, ct);
            var found = new List<string>(await RepairDevicesAsync(all, ct));
            if (all.Count > 0 && !await _firewall.IsWholeAsync(all, ct))
            {
                await _firewall.ApplyAsync(all, ct);
                found.Add("the filters were not as they should be");
            }

            return (IReadOnlyList<string>)found;
        },
        ct);

    public Task<NetworkStatus> StatusAsync(Id<Network> network, CancellationToken ct) => AloneAsync(async () => (await StatusesAsync([_files.Find(network)], ct))[network], ct);

    public Task<IReadOnlyDictionary<Id<Network>, NetworkStatus>> StatusesAsync(CancellationToken ct) => AloneAsync(() => StatusesAsync(_files.All(), ct), ct);

    public Task<IReadOnlyList<string>> HostSubnetsAsync(CancellationToken ct) => AloneAsync(
        async () => HostSubnets.Of(await _links.ReadAsync(ct), await _links.RoutesAsync(ct), _files.All().SelectMany(n => LinkPlan.NamesOf(n.Id)).ToHashSet()), ct);

    public Task<IReadOnlyList<PolicyCounter>> CountersAsync(Id<Network> network, CancellationToken ct) => AloneAsync(() => _firewall.CountersAsync(_files.Find(network), ct), ct);

    public void Dispose() => _oneAtATime.Dispose();

    /// <summary>Devices, forwarding, dnsmasq.</summary>
    /// <returns>In words, what was not as it should be.</returns>
    private async Task<List<string>> MakeAsync(IReadOnlyCollection<NetworkSpec> networks, CancellationToken ct, bool isRepair = false)
    {
        var (plan, links) = (LinkPlan.For(networks), await _links.ReadAsync(ct));
        if (Missing(plan, links) is { } missing)
        {
            throw missing;
        }

        var changes = LinkChanges.Between(plan, links, await _links.EntriesAsync(plan, links, ct));
        await _links.MakeAsync(changes, ct);
        if (changes.Make.Count > 0)
        {
            links = await _links.ReadAsync(ct);
        }

        // Looked at when something was made and in every repair: a change of an address or a filter is to be quick.
        var off = (changes.Make.Count > 0 || isRepair) && await ForwardAsync(networks, links.Select(l => l.Name).Except(plan.Links.Select(l => l.Name)), ct);
        var ended = await _dnsmasq.ApplyAsync(networks, links, ct);
        return [.. changes.Found, .. off && isRepair ? ["packets were not passed on"] : (string[])[], .. ended];
    }

    /// <returns>Whether it was off.</returns>
    private async Task<bool> ForwardAsync(IReadOnlyCollection<NetworkSpec> networks, IEnumerable<string> devices, CancellationToken ct)
    {
        if (Forwarding.Keys(networks) is not { Count: > 0 } keys || await _links.GetAsync(keys, ct) is not { } now || !Forwarding.IsOff(now))
        {
            return false;
        }

        await _links.SetAsync(Forwarding.Changes(now, await _links.GetAsync(Forwarding.RouterKeys(devices), ct)), ct);
        return true;
    }

    private async Task<IReadOnlyDictionary<Id<Network>, NetworkStatus>> StatusesAsync(IReadOnlyList<NetworkSpec> networks, CancellationToken ct)
    {
        var links = await _links.ReadAsync(ct);
        var entries = await _links.EntriesAsync(LinkPlan.For(networks), links, ct);
        var keys = Forwarding.Keys(networks) is { Count: > 0 } asked ? await _links.GetAsync(asked, ct) : new Dictionary<string, string>();
        var isWhole = await _firewall.IsWholeAsync(_files.All(), ct);
        return networks.ToDictionary(n => n.Id, n => WhyNot(n) is { } why ? new NetworkStatus(false, why) : new NetworkStatus(true));

        string? WhyNot(NetworkSpec network)
        {
            var plan = LinkPlan.For([network]);
            return Missing(plan, links)?.Message
                ?? (LinkChanges.Between(plan, links, entries).Found is [var first, ..] ? first : null)
                ?? (Forwarding.Keys([network]).Any(k => keys.GetValueOrDefault(k) == "0") ? "packets are not passed on" : null)
                ?? (_dnsmasq.Serves(network, links) ? null : $"dnsmasq of '{network.Name}' does not run")
                ?? (isWhole ? null : "the filters are not as they should be");
        }
    }

    /// <summary>All at once; if that fails, one by one, so that one that cannot be repaired keeps no other from it.</summary>
    private async Task<List<string>> RepairDevicesAsync(IReadOnlyList<NetworkSpec> all, CancellationToken ct)
    {
        try
        {
            return await MakeAsync(all, ct, isRepair: true);
        }
        catch (Refusal)
        {
            var found = new List<string>();
            foreach (var network in all)
            {
                try
                {
                    found.AddRange(await MakeAsync([network], ct, isRepair: true));
                }
                catch (Refusal refusal)
                {
                    LogNotRepaired(_logger, refusal.Message);
                }
            }

            return found;
        }
    }

    /// <summary>As it was before, as far as that can be: whatever is left, the next repair finds.</summary>
    private async Task UndoAsync(IReadOnlyList<NetworkSpec> before, IReadOnlyList<NetworkSpec> failed)
    {
        foreach (var network in failed)
        {
            try
            {
                await (before.FirstOrDefault(b => b.Id == network.Id) is { } old ? MakeAsync([old], CancellationToken.None) : TakeDownAsync(network.Id, CancellationToken.None));
            }
            catch (Exception e) when (e is Refusal or IOException or OperationCanceledException)
            {
                LogNotRepaired(_logger, e.Message);
            }
        }

        try
        {
            await ApplyFiltersAsync(before, CancellationToken.None);
        }
        catch (Refusal refusal)
        {
            LogNotRepaired(_logger, refusal.Message);
        }
    }

    private Task ApplyFiltersAsync(IReadOnlyList<NetworkSpec> all, CancellationToken ct) => all.Count == 0 ? _firewall.RemoveAsync(ct) : _firewall.ApplyAsync(all, ct);

    private async Task TakeDownAsync(Id<Network> network, CancellationToken ct)
    {
        await _dnsmasq.RemoveAsync(network, ct);
        await _links.MakeAsync(LinkChanges.Between(LinkPlan.Without(network), await _links.ReadAsync(ct), []), ct);
    }

    /// <summary>The first device of the host's that is not there, as a refusal.</summary>
    private static Refusal? Missing(LinkPlan plan, IReadOnlyList<HostLink> links) =>
        (from needed in plan.Needed
         let device = links.FirstOrDefault(l => l.Name == needed.Device)
         where device is null || (needed.Kind is not null && needed.Kind != device.Kind)
         select NodeNetworkErrors.DeviceMissing(needed, device is not null)).FirstOrDefault();

    private async Task<T> AloneAsync<T>(Func<Task<T>> work, CancellationToken ct)
    {
        await _oneAtATime.WaitAsync(ct);
        try
        {
            return await work();
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A network was not put back: {Why}")]
    private static partial void LogNotRepaired(ILogger logger, string why);
}
