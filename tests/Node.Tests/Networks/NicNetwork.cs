using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>
/// A network namespace with bridges in it, and a root whose node has it for its host. Only its network is entered: QEMU's number is that
/// by which the test knows it.
/// </summary>
internal sealed class NicNetwork : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    private readonly CancellationTokenSource _end = new();
    private readonly List<Task> _running = [];
    private readonly Shell _shell = new(TimeProvider.System);
    private readonly NetworkNamespace _space;

    private NicNetwork(NetworkNamespace space)
    {
        _space = space;
        Root = new(context => context with { Shell = new Inside(this), OpenTap = name => space.DoAsync(() => Posix.OpenTap(name)).GetAwaiter().GetResult() });
    }

    public TestRoot Root { get; }

    public static async Task<NicNetwork> MakeAsync() => new(await NetworkNamespace.MakeAsync());

    /// <summary>A network of the node: a bridge, which is also where this test itself is at home.</summary>
    /// <param name="gateway">The bridge's addresses, with the lengths of their prefixes.</param>
    public async Task<Id<Network>> GivenNetworkAsync(params string[] gateway)
    {
        var id = Id<Network>.New();
        var bridge = NetworkNames.Bridge(id);
        await RunAsync("ip", "link", "add", bridge, "mtu", "1400", "type", "bridge");
        foreach (var address in gateway)
        {
            await RunAsync("ip", "address", "add", address, "dev", bridge, "nodad");
        }

        await RunAsync("ip", "link", "set", bridge, "up");
        Define(new(id, "net", NetworkKind.Nat, "net.gantry"));
        return id;
    }

    public void Define(NetworkSpec network)
    {
        Directory.CreateDirectory(Root.Context.Root.Networks);
        File.WriteAllBytes($"{Root.Context.Root.Networks}/{network.Id}.json", JsonSerializer.SerializeToUtf8Bytes(network, NetworkJson.Default.NetworkSpec));
    }

    /// <summary>Gives out leases and announces a prefix on a network, as the node's own service does.</summary>
    public void Serve(Id<Network> network, params string[] options) => Keep(Enter(new("dnsmasq",
    [
        "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--group=root", "--pid-file=", "--port=0", "--no-resolv", "--no-hosts", "--bind-interfaces",
        $"--interface={NetworkNames.Bridge(network)}", $"--dhcp-leasefile={LeasesOf(network)}", "--dhcp-authoritative", "--domain=net.gantry", "--no-ping", .. options,
    ], TimeSpan.FromHours(1))
    {
        EndsWithDaemon = true,
    }));

    /// <summary>The file of the leases it gave out.</summary>
    public string LeasesOf(Id<Network> network) => $"{Root.Path}/leases-{network}";

    /// <summary>A command in the namespace that goes on until the end.</summary>
    public void Serve(string program, params string[] arguments) => Keep(Enter(new(program, arguments, TimeSpan.FromHours(1)) { EndsWithDaemon = true }));

    /// <summary>A command in the namespace.</summary>
    public async Task<string> RunAsync(string program, params string[] arguments) =>
        (await _shell.RunAsync(Enter(new(program, arguments, Deadline)), CancellationToken.None)).Output;

    public async Task<IReadOnlyList<string>> DevicesAsync() =>
        [.. (await RunAsync("ip", "-brief", "link")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ', '@')[0]).Where(d => d.StartsWith("gt-", StringComparison.Ordinal) || d.StartsWith("gi-", StringComparison.Ordinal)).Order()];

    /// <summary>Until it answers.</summary>
    public async Task PingAsync(string address)
    {
        using var patience = new CancellationTokenSource(Deadline);
        while (true)
        {
            try
            {
                await RunAsync("busybox", "ping", "-c", "1", "-W", "1", address);
                return;
            }
            catch (CommandFailed) when (!patience.IsCancellationRequested)
            {
                // Not yet.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Root.DisposeAsync();
        await _end.CancelAsync();
        foreach (var running in _running)
        {
            await Record.ExceptionAsync(() => running);
        }

        _end.Dispose();
        await _space.DisposeAsync();
    }

    private void Keep(Command command) => _running.Add(_shell.RunAsync(command, _end.Token));

    private Command Enter(Command command) =>
        command with { Program = "nsenter", Arguments = [$"--net={_space.Network}", "--", command.Program, .. command.Arguments] };

    /// <summary>The node's commands; those of other users have nothing to do with networks, and may not enter.</summary>
    private sealed class Inside(NicNetwork network) : IShell
    {
        public Task<CommandResult> RunAsync(Command command, CancellationToken ct) =>
            network._shell.RunAsync(command is { User: null, Confinement: null } ? network.Enter(command) : command, ct);
    }
}
