using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Networks;

/// <summary>
/// Gives the guests of each network their addresses and names: one dnsmasq for each that has a subnet, under a user id that nothing else
/// on the machine has, with three capabilities and no way to more, and nothing it may write to. It outlives the daemon, and is found again
/// by what is written down in <c>run/networks/{id}/process</c>; one that nothing is written of is ended.
/// </summary>
internal sealed class Dnsmasq(NodeContext node)
{
    /// <summary>To listen on ports below 1,024; to announce routers; and to answer one that has no address yet.</summary>
    private const string Capabilities = "-all,+net_bind_service,+net_raw,+net_admin";

    private const int StartsAtOnce = 8;
    private const UnixFileMode ForGroup = (UnixFileMode)0b111_101_000;
    private const UnixFileMode ForAll = (UnixFileMode)0b110_100_100;
    private static readonly TimeSpan StartsWithin = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan EndsWithin = TimeSpan.FromSeconds(20);

    /// <summary>Makes dnsmasq run for these networks and know their addresses. The bridges are there already.</summary>
    /// <returns>In words, what had ended.</returns>
    /// <exception cref="Refusal"><c>network.no_addresses</c>, <c>node.uids_used_up</c></exception>
    public async Task<IReadOnlyList<string>> ApplyAsync(IReadOnlyCollection<NetworkSpec> networks, IReadOnlyList<HostLink> links, CancellationToken ct)
    {
        var (starts, found) = (new List<Start>(), new List<string>());
        foreach (var network in networks.Where(DnsmasqFiles.IsFor))
        {
            var (run, bridge) = (Run(network.Id), links.FirstOrDefault(l => l.Name == NetworkNames.Bridge(network.Id)));
            var (files, process) = (DnsmasqFiles.Of(network, run), DnsmasqProcess.Read(run));
            if (bridge is null)
            {
                continue;
            }

            if (process is { Lives: true } && process.Bridge == bridge.Index && process.Options == Digest(files.Options)
                && TryRead(run) is { } before && files.OnlyAddsTo(before))
            {
                if (files != before)
                {
                    Write(run, files);
                    process.HangUp();
                }
            }
            else
            {
                starts.Add(new(network, files, bridge.Index, process?.Uid));
                found.AddRange(process is { Lives: true } ? [] : [$"dnsmasq of '{network.Name}' did not run"]);
            }
        }

        await StartAsync(starts, ct);
        return found;
    }

    /// <summary>Whether it runs for the network, on the bridge there is.</summary>
    public bool Serves(NetworkSpec network, IReadOnlyList<HostLink> links) =>
        !DnsmasqFiles.IsFor(network)
            || (DnsmasqProcess.Read(Run(network.Id)) is { Lives: true } process && links.Any(l => l.Index == process.Bridge && l.Name == NetworkNames.Bridge(network.Id)));

    public async Task RemoveAsync(Id<Network> network, CancellationToken ct)
    {
        var run = Run(network);
        if (DnsmasqProcess.Read(run) is { } process)
        {
            await EndAsync(uid => uid == process.Uid, ct);
        }

        if (Directory.Exists(run))
        {
            Directory.Delete(run, recursive: true);
        }
    }

    /// <summary>Ends those that nothing is written of, or a network is no longer there for.</summary>
    public async Task SweepAsync(IReadOnlyCollection<NetworkSpec> networks, CancellationToken ct)
    {
        var known = networks.Select(n => DnsmasqProcess.Read(Run(n.Id))?.Uid).OfType<int>().ToHashSet();
        await EndAsync(uid => IsForNetworks(uid) && !known.Contains(uid), ct);
    }

    private async Task StartAsync(List<Start> starts, CancellationToken ct)
    {
        if (starts.Count == 0)
        {
            return;
        }

        // A child that answers over TCP may have outlived its parent, and holds the port.
        var recorded = Recorded();
        var mine = starts.Select(s => s.Uid).OfType<int>().ToHashSet();
        await EndAsync(uid => mine.Contains(uid) || (IsForNetworks(uid) && !recorded.Contains(uid)), ct);
        var taken = recorded.Concat(HostUsers.WithProcesses()).ToHashSet();
        var free = Enumerable.Range(node.Uids.FirstNetwork, node.Uids.Networks).Where(u => !taken.Contains(u)).GetEnumerator();
        starts = [.. starts.Select(s => s with { Uid = s.Uid ?? (free.MoveNext() ? free.Current : throw NodeNetworkErrors.UidsUsedUp(node.Uids.Networks)) })];
        try
        {
            var some = new ParallelOptions { CancellationToken = ct, MaxDegreeOfParallelism = StartsAtOnce };
            await Parallel.ForEachAsync(starts, some, async (start, token) => await StartAsync(start, token));
        }
        finally
        {
            // Those that did start are known, even if another did not: whoever gives up ends them.
            WriteDown(starts);
        }

        if (starts.FirstOrDefault(s => DnsmasqProcess.Read(Run(s.Network.Id)) is not { Lives: true }) is { } gone)
        {
            throw NodeNetworkErrors.NoNames(gone.Network.Name, "it ended at once; the system's log has its last words.");
        }
    }

    private void WriteDown(List<Start> starts)
    {
        var byUser = starts.ToDictionary(s => s.Uid!.Value);
        foreach (var (pid, uid) in HostUsers.Processes().Where(p => byUser.ContainsKey(p.Uid)).ToList())
        {
            if (HostProcess.StartOf(pid) is { } began && byUser[uid] is var start)
            {
                new DnsmasqProcess(pid, began, uid, start.Bridge, Digest(start.Files.Options)).Write(Run(start.Network.Id));
            }
        }
    }

    private async Task StartAsync(Start start, CancellationToken ct)
    {
        var (run, uid) = (Run(start.Network.Id), start.Uid!.Value);
        Directory.CreateDirectory(run, ForGroup);
        File.SetUnixFileMode(run, ForGroup);
        Posix.Chown(run, 0, uid);
        Write(run, start.Files);
        var user = string.Create(CultureInfo.InvariantCulture, $"{uid}");
        try
        {
            await node.Shell.RunAsync(
                new(
                    "prlimit",
                    [
                        "--as=1073741824", "--nproc=64", "--core=0", "--",
                        "setpriv", $"--reuid={user}", $"--regid={user}", "--clear-groups",
                        $"--inh-caps={Capabilities}", $"--ambient-caps={Capabilities}", $"--bounding-set={Capabilities}", "--no-new-privs", "--",
                        "dnsmasq", $"--conf-file={run}/options",
                    ],
                    StartsWithin),
                ct);
        }
        catch (CommandFailed failed)
        {
            throw NodeNetworkErrors.NoNames(start.Network.Name, failed.Message);
        }
    }

    /// <summary>Ends all processes of these users; done when there is none.</summary>
    private async Task EndAsync(Func<int, bool> whose, CancellationToken ct)
    {
        using var deadline = new CancellationTokenSource(EndsWithin, node.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, deadline.Token);
        while (HostUsers.Processes().Where(p => whose(p.Uid)).Select(p => (p.Pid, Start: HostProcess.StartOf(p.Pid)))
            .Where(p => p.Start is not null).ToList() is { Count: > 0 } all)
        {
            foreach (var (pid, start) in all)
            {
                if (HostProcess.Find(pid, start!.Value) is { } process)
                {
                    using (process)
                    {
                        process.Kill();
                        await process.Ended.WaitAsync(either.Token);
                    }
                }
            }
        }
    }

    private bool IsForNetworks(int uid) => uid >= node.Uids.FirstNetwork && uid - node.Uids.FirstNetwork < node.Uids.Networks;

    private string Run(Id<Network> network) => $"{node.Root.NetworksRun}/{network}";

    /// <summary>The users that something is written down of.</summary>
    private HashSet<int> Recorded() =>
        Directory.Exists(node.Root.NetworksRun)
            ? [.. Directory.EnumerateDirectories(node.Root.NetworksRun).Select(DnsmasqProcess.Read).OfType<DnsmasqProcess>().Select(p => p.Uid)] : [];

    private static void Write(string run, DnsmasqFiles files)
    {
        foreach (var (name, text) in new[] { ("options", files.Options), ("leases", files.Leases), ("names", files.Names) })
        {
            AtomicFile.Write($"{run}/{name}", Encoding.UTF8.GetBytes(text), ForAll);
        }
    }

    private static DnsmasqFiles? TryRead(string run)
    {
        try
        {
            return new(File.ReadAllText($"{run}/options"), File.ReadAllText($"{run}/leases"), File.ReadAllText($"{run}/names"));
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string Digest(string options) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(options)));

    /// <param name="Bridge">Its number: dnsmasq is bound to that device, not to another of the same name.</param>
    /// <param name="Uid">The one it had; null for a new one.</param>
    private sealed record Start(NetworkSpec Network, DnsmasqFiles Files, int Bridge, int? Uid);
}
