using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Networks;
using Microsoft.Win32.SafeHandles;

namespace Gantry.Node.Tests.Networks;

/// <summary>
/// A network namespace with bridges in it, and a root whose node has it for its host. It lives by a process that ends with this object,
/// or with the test run.
/// </summary>
internal sealed partial class NicNetwork : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    private readonly CancellationTokenSource _end = new();
    private readonly List<Task> _running = [];
    private readonly Shell _shell = new(TimeProvider.System);
    private int _pid;

    private NicNetwork()
    {
    }

    public TestRoot Root { get; private set; } = null!;

    public static async Task<NicNetwork> MakeAsync()
    {
        var network = new NicNetwork();
        var ready = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        network.Keep(new("unshare", ["--net", "--", "sh", "-c", "ip link set lo up; echo $$; exec sleep infinity"], TimeSpan.FromHours(1))
        {
            EndsWithDaemon = true,
            Heard = line => ready.TrySetResult(int.Parse(line, CultureInfo.InvariantCulture)),
        });
        network._pid = await ready.Task.WaitAsync(Deadline);
        network.Root = new(context => context with { Shell = new Inside(network), OpenTap = network.OpenTap });
        return network;
    }

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
    }

    private void Keep(Command command) => _running.Add(_shell.RunAsync(command, _end.Token));

    private Command Enter(Command command) =>
        command with { Program = "nsenter", Arguments = [string.Create(CultureInfo.InvariantCulture, $"--net=/proc/{_pid}/ns/net"), "--", command.Program, .. command.Arguments] };

    /// <summary>A thread of its own goes into the namespace and ends there.</summary>
    private SafeHandle OpenTap(string name)
    {
        var opened = new TaskCompletionSource<SafeHandle>();
        var thread = new Thread(() =>
        {
            try
            {
                using var there = File.OpenHandle(string.Create(CultureInfo.InvariantCulture, $"/proc/{_pid}/ns/net"));
                opened.SetResult(Join(there) ? Posix.OpenTap(name) : throw new IOException("setns"));
            }
            catch (IOException e)
            {
                opened.SetException(e);
            }
        });
        thread.Start();
        thread.Join();
        return opened.Task.GetAwaiter().GetResult();
    }

    private static bool Join(SafeFileHandle there) => setns(there, 0) == 0;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(SafeFileHandle there, int kind);

    /// <summary>The node's commands; those of other users have nothing to do with networks, and may not enter.</summary>
    private sealed class Inside(NicNetwork network) : IShell
    {
        public Task<CommandResult> RunAsync(Command command, CancellationToken ct) =>
            network._shell.RunAsync(command is { User: null, Confinement: null } ? network.Enter(command) : command, ct);
    }
}
