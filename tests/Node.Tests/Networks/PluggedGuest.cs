using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>A guest of a network: a namespace of its own whose eth0 is the other end of the NIC's device.</summary>
internal sealed class PluggedGuest : IAsyncDisposable
{
    private readonly TestRoot _root;

    private PluggedGuest(NetworkNamespace space, TestRoot root, NicAddress nic) => (Space, _root, Nic) = (space, root, nic);

    public NetworkNamespace Space { get; }

    public NicAddress Nic { get; }

    public static async Task<PluggedGuest> PlugAsync(TestRoot root, NetworkNamespace host, NetworkSpec network, NicAddress nic)
    {
        var guest = new PluggedGuest(await NetworkNamespace.MakeAsync(), root, nic);
        var tap = NetworkNames.Tap(nic.InstanceId, nic.Nic);
        await host.JoinAsync(tap, guest.Space, "eth0", nic.Mac);
        await host.RunAsync("ip", "link", "set", "dev", tap, "master", LinkPlan.BridgeOf(network), "up");
        await guest.Space.RunAsync("ip", "link", "set", "dev", "eth0", "up");
        return guest;
    }

    /// <summary>Asks for an address until it gets one, and takes it.</summary>
    public Task<string> LeaseAsync() => DhcpAsync(60);

    /// <summary>Whether it gets an address at once.</summary>
    public async Task<bool> TryLeaseAsync() => (await DhcpAsync(2)).Contains("bound", StringComparison.Ordinal);

    public Task<string> LookUpAsync(string name, string server) => Space.UntilAsync(_ => true, "busybox", "nslookup", name, server);

    /// <summary>Whether it is told that there is no such name, rather than nothing.</summary>
    public Task<bool> CannotLookUpAsync(string name, string server) =>
        Space.TryAsync("busybox", "sh", "-c", "busybox nslookup \"$1\" \"$2\" 2>&1 | grep -q NXDOMAIN", "sh", name, server);

    public Task PingAsync(string address) => Space.UntilAsync(_ => true, "busybox", "ping", "-c", "1", "-W", "2", address);

    public ValueTask DisposeAsync() => Space.DisposeAsync();

    private async Task<string> DhcpAsync(int tries)
    {
        var script = $"{_root.Path}/lease.sh";
        if (!File.Exists(script))
        {
            await File.WriteAllTextAsync(
                script,
                """
                #!/bin/sh
                [ "$1" = bound ] || exit 0
                ip address flush dev eth0 scope global && ip address add "$ip/$mask" dev eth0 || exit 1
                [ -z "$router" ] || ip route add default via "$router"
                echo "bound ip=$ip/$mask router=$router dns=$dns domain=$domain hostname=$hostname mtu=$mtu"
                """);
            File.SetUnixFileMode(script, (UnixFileMode)0b111_101_101);
        }

        try
        {
            return await Space.RunAsync("busybox", "udhcpc", "-i", "eth0", "-f", "-n", "-q", "-t", $"{tries}", "-T", "1", "-O", "hostname", "-s", script);
        }
        catch (Gantry.Node.Host.CommandFailed failed) when (failed.ExitCode is not null)
        {
            return "";
        }
    }
}
