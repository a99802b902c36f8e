using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>Networks and what is on them, the same in each run.</summary>
internal static class Examples
{
    /// <summary>A network of 10.NUMBER.0.0/24 and fd00:NUMBER::/64; its guests are 10.NUMBER.0.10, .11 and so on.</summary>
    public static NetworkSpec Network(int number, params (string Instance, string Labels)[] guests) => new(
        IdOf<Network>($"network {number}"), $"net{number}", NetworkKind.Nat, $"net{number}.gantry")
    {
        Ipv4 = $"10.{number}.0.1/24",
        Ipv6 = $"fd00:{number}::1/64",
        Addresses = [.. guests.Select((g, i) => Nic(number, i, g.Instance, g.Labels))],
    };

    /// <param name="labels">Such as <c>app=web,tier=front</c>.</param>
    public static NicAddress Nic(int network, int number, string instance, string labels) => new(
        IdOf<Instance>($"{instance} of {network}"), instance, "eth0", string.Create(CultureInfo.InvariantCulture, $"52:54:00:00:{network:x2}:{10 + number:x2}"),
        $"10.{network}.0.{10 + number}", $"fd00:{network}::{10 + number:x}", false, Labels(labels));

    public static IReadOnlyDictionary<string, string> Labels(string labels) =>
        labels.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('=')).ToDictionary(l => l[0], l => l[1]);

    public static Forward Forward(TransportProtocol protocol, string hostPorts, string instance, int? instancePort = null, params string[] hostAddresses) => new()
    {
        Id = IdOf<Forward>($"{protocol} {hostPorts} {string.Join(' ', hostAddresses)}"),
        Protocol = protocol, HostPorts = hostPorts, Instance = instance, InstancePort = instancePort,
        HostAddresses = hostAddresses.Length == 0 ? null : hostAddresses,
    };

    public static PolicyRule Allow(PolicyDirection direction, PolicyPeer? peer = null, params PolicyPorts[] ports) => Rule(PolicyAction.Allow, direction, peer, ports);

    public static PolicyRule Deny(PolicyDirection direction, PolicyPeer? peer = null, params PolicyPorts[] ports) => Rule(PolicyAction.Deny, direction, peer, ports);

    public static PolicyPeer With(string labels) => new(Instances: new(Labels(labels)));

    public static PolicyPorts Tcp(string ports) => new(PolicyProtocol.Tcp, ports);

    public static Id<T> IdOf<T>(string name) => new(new Guid(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 16)));

    private static PolicyRule Rule(PolicyAction action, PolicyDirection direction, PolicyPeer? peer, PolicyPorts[] ports) => new()
    {
        Direction = direction, Action = action, Peers = peer is null ? null : [peer], Ports = ports.Length == 0 ? null : ports,
    };
}
