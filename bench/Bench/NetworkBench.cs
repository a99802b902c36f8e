using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>Networks of one node, in a network namespace that takes the host's place and goes with the bench.</summary>
internal static class NetworkBench
{
    private const int Networks = 100;
    private const int ForwardsEach = 5;
    private const int Rules = 5_000;
    private const int Rounds = 10;
    private const int ThroughputRounds = 5;
    private const int ThroughputPort = 9000;
    private static readonly TimeSpan ThroughputTime = TimeSpan.FromSeconds(4);

    public static async Task RunAsync(Report report, CancellationToken ct)
    {
        if (!await Namespaces.EnterAsync(report.Name, "--net", "ip link set lo up", ct))
        {
            return;
        }

        await using var daemon = await BenchDaemon.StartAsync(ct, networks: "linux");
        await BenchDaemon.DoneAsync(daemon.Api.BuildImageAsync(new("micro"), 120, ct));
        await BenchDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = "measured", Ipv4 = "10.200.0.1/24", HostAccess = true }, 60, ct));
        await BenchDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(
            new() { Name = "guest", Image = "micro", Kind = InstanceKind.Microvm, Boot = new() { CommandLine = $"quiet gantry.run={Convert.ToBase64String(Guest)}" }, Nics = [new() { Name = "eth0", Network = "measured" }], StartNow = true }, 120, ct));
        var address = (await daemon.Api.GetInstanceAsync("guest", ct)).Nics![0].Address!;
        await ReachableAsync(address, ct);

        await ThroughputAsync(report, daemon, ct);
        await RuleAsync(report, daemon, address, ct);
        await StartsAsync(report, daemon, ct);
        await ManyAsync(report, daemon, ct);
        await BenchDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("guest", force: true, 60, ct));
    }

    /// <summary>Answers on port 80, and sends as fast as it can to whoever listens on the gateway.</summary>
    private static byte[] Guest => System.Text.Encoding.UTF8.GetBytes(string.Create(
        CultureInfo.InvariantCulture, $"while :; do nc -l -p 80 </dev/null >/dev/null; done & while :; do dd if=/dev/zero bs=64k 2>/dev/null | nc 10.200.0.1 {ThroughputPort} >/dev/null 2>&1 || sleep 0.1; done"));

    /// <summary>The same guest sending to the node, with Gantry's tables and without, in turns. The daemon is away meanwhile, or it would put them back.</summary>
    private static async Task ThroughputAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        List<double> with = [], without = [];
        for (var round = 0; round < ThroughputRounds; round++)
        {
            with.Add(await ReceivedAsync(ct));
            await daemon.DownAsync();
            DropTables();
            without.Add(await ReceivedAsync(ct));
            await daemon.UpAsync(ct);
            await daemon.Api.RepairNetworksAsync(ct);
        }

        report.Add("throughput guest to host, through bridge and filters", "MB/s", with);
        report.Add("throughput guest to host, the same without filters", "MB/s", without);
        report.Add("with filters, of what is without", "ratio", [Statistics.Percentile(with, 50) / Statistics.Percentile(without, 50)], ">= 0.95");
    }

    private static async Task<double> ReceivedAsync(CancellationToken ct)
    {
        using var listener = new TcpListener(IPAddress.Any, ThroughputPort);
        listener.Start();
        using var client = await listener.AcceptTcpClientAsync(ct);
        listener.Stop();
        var stream = client.GetStream();
        var buffer = new byte[1 << 18];
        _ = await stream.ReadAsync(buffer, ct); // it is under way
        long bytes = 0;
        var from = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(from) < ThroughputTime)
        {
            bytes += await stream.ReadAsync(buffer, ct);
        }

        return bytes / Stopwatch.GetElapsedTime(from).TotalSeconds / 1e6;
    }

    /// <summary>One rule among many is turned over; timed until the change is answered, and then a packet must meet it.</summary>
    private static async Task RuleAsync(Report report, BenchDaemon daemon, string address, CancellationToken ct)
    {
        List<double> changes = [];
        await BenchDaemon.DoneAsync(daemon.Api.PutPolicyAsync("measured", PolicyOf(PolicyAction.Allow), 120, ct));
        for (var round = 0; round < Rounds; round++)
        {
            var wanted = round % 2 == 0 ? PolicyAction.Deny : PolicyAction.Allow;
            var from = Stopwatch.GetTimestamp();
            await BenchDaemon.DoneAsync(daemon.Api.PutPolicyRuleAsync("measured", "many", Rules - 1, PolicyOf(wanted).Rules[^1], 120, ct));
            changes.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
            if (await AnswersAsync(address, ct) != (wanted == PolicyAction.Allow))
            {
                throw new InvalidOperationException($"A packet did not meet '{wanted}'.");
            }
        }

        report.Add(string.Create(CultureInfo.InvariantCulture, $"a change of one rule among {Rules}, by the API until packets meet it"), "ms", changes, "< 100");
        await BenchDaemon.DoneAsync(daemon.Api.DeletePolicyAsync("measured", "many", 60, ct));
    }

    private static Policy PolicyOf(PolicyAction action) => new()
    {
        Name = "many",
        Rules =
        [
            .. Enumerable.Range(0, Rules - 1).Select(i => new PolicyRule
            {
                Direction = PolicyDirection.In,
                Action = PolicyAction.Deny,
                Peers = [new(string.Create(CultureInfo.InvariantCulture, $"198.18.{i / 256}.{i % 256}/32"))],
            }),
            new() { Direction = PolicyDirection.In, Action = action, Ports = [new(PolicyProtocol.Tcp, "80")] },
        ],
    };

    /// <summary>A network made, beside libvirt's of the same kind started.</summary>
    private static async Task StartsAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        List<double> ours = [], theirs = [];
        using var libvirt = await Libvirt.StartAsync(ct);
        libvirt.DefineNetwork("started", "10.201.0.1");
        for (var round = 0; round < Rounds; round++)
        {
            var from = Stopwatch.GetTimestamp();
            await BenchDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = "started", Ipv4 = "10.202.0.1/24" }, 60, ct));
            ours.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
            await BenchDaemon.DoneAsync(daemon.Api.DeleteNetworkAsync("started", 60, ct));
            from = Stopwatch.GetTimestamp();
            libvirt.Virsh("net-start", "started");
            theirs.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
            libvirt.Virsh("net-destroy", "started");
        }

        report.Add("a NAT network made by the API: bridge, dnsmasq, filters, recorded", "ms", ours);
        report.Add("virsh net-start of a NAT network: bridge, dnsmasq, filters", "ms", theirs);
    }

    private static async Task ManyAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        for (var network = 0; network < Networks; network++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"many-{network}");
            await BenchDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = name, Ipv4 = string.Create(CultureInfo.InvariantCulture, $"10.100.{network}.1/24") }, 60, ct));
            await BenchDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = name, Image = "micro", Kind = InstanceKind.Microvm, Nics = [new() { Name = "eth0", Network = name }] }, 60, ct));
            for (var forward = 0; forward < ForwardsEach; forward++)
            {
                await BenchDaemon.DoneAsync(daemon.Api.CreateForwardAsync(name, new()
                {
                    Protocol = TransportProtocol.Tcp,
                    HostPorts = string.Create(CultureInfo.InvariantCulture, $"{20_000 + (network * ForwardsEach) + forward}"),
                    Instance = name,
                    InstancePort = 80,
                }, 60, ct));
            }
        }

        List<double> filters = [], whole = [];
        for (var round = 0; round < Rounds; round++)
        {
            DropTables();
            filters.Add(await RepairedAsync());
        }

        for (var round = 0; round < 3; round++)
        {
            DropTables();
            Run.Text("sh", ["-c", "for bridge in /proc/sys/net/ipv4/conf/gb-*; do ip link del ${bridge##*/}; done"]);
            whole.Add(await RepairedAsync());
        }

        var what = string.Create(CultureInfo.InvariantCulture, $"{Networks} networks and {Networks * ForwardsEach} forwards");
        report.Add($"{what}: all filters applied in one transaction", "ms", filters, "< 1000");
        report.Add($"{what}: bridges, addresses, dnsmasq and filters from nothing", "ms", whole);

        async Task<double> RepairedAsync()
        {
            var from = Stopwatch.GetTimestamp();
            var repair = await daemon.Api.RepairNetworksAsync(ct);
            return repair.Failed.Count == 0 && repair.Repaired.Count > 0 ? Stopwatch.GetElapsedTime(from).TotalMilliseconds
                : throw new InvalidOperationException($"Not repaired: {string.Join("; ", repair.Failed)}");
        }
    }

    private static void DropTables()
    {
        foreach (var table in Run.Text("nft", ["list", "tables"]).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Run.Text("nft", ["delete", .. table.Split(' ')]);
        }
    }

    private static async Task ReachableAsync(string address, CancellationToken ct)
    {
        for (var from = Stopwatch.GetTimestamp(); !await AnswersAsync(address, ct); await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, ct))
        {
            if (Stopwatch.GetElapsedTime(from) > TimeSpan.FromMinutes(2))
            {
                throw new TimeoutException($"{address} does not answer.");
            }
        }
    }

    /// <summary>Whether a packet gets there and one comes back, be it to refuse the connection.</summary>
    private static async Task<bool> AnswersAsync(string address, CancellationToken ct)
    {
        using var client = new TcpClient();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(TimeSpan.FromMilliseconds(700));
        try
        {
            await client.ConnectAsync(IPAddress.Parse(address), 80, patience.Token);
            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.ConnectionRefused;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
    }
}
