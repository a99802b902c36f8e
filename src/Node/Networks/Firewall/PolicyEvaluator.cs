using System.Net;
using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// What policies say of a connection, worked out one rule after the other. This is the reference that the nftables rules are tested
/// against, and shares nothing with their making but the choice by labels.
/// </summary>
public static class PolicyEvaluator
{
    /// <summary>Both ends that are NICs of the network have a say, by their allotted addresses; a connection of which neither is one is allowed without a step.</summary>
    public static PolicyDecision Decide(NetworkSpec network, Connection connection)
    {
        var steps = new List<PolicyStep>();
        if (NicWith(network, connection.Source) is { } sender)
        {
            steps.Add(Step(network, sender, PolicyDirection.Out, connection.Destination, connection));
        }

        if (NicWith(network, connection.Destination) is { } receiver)
        {
            steps.Add(Step(network, receiver, PolicyDirection.In, connection.Source, connection));
        }

        return new(steps.Any(s => s.Action == PolicyAction.Deny) ? PolicyAction.Deny : PolicyAction.Allow, steps);
    }

    private static NicAddress? NicWith(NetworkSpec network, IPAddress address) =>
        network.Addresses.FirstOrDefault(n => Is(n.Ipv4, address) || Is(n.Ipv6, address));

    private static bool Is(string? allotted, IPAddress address) => allotted is not null && IPAddress.Parse(allotted).Equals(address);

    private static PolicyStep Step(NetworkSpec network, NicAddress nic, PolicyDirection direction, IPAddress otherEnd, Connection connection)
    {
        string? isolatedBy = null;
        foreach (var policy in network.Policies.OrderBy(p => p.Priority).ThenBy(p => p.Name, StringComparer.Ordinal))
        {
            if (!policy.AppliesTo.Chooses(nic.Labels))
            {
                continue;
            }

            for (var number = 0; number < policy.Rules.Count; number++)
            {
                var rule = policy.Rules[number];
                if (rule.Direction == direction && FitsPeers(network, rule.Peers, otherEnd) && FitsPorts(rule.Ports, connection))
                {
                    return new(direction, nic.Instance, nic.Nic, rule.Action, policy.Name, number);
                }
            }

            if (isolatedBy is null && policy.Isolates.Contains(direction))
            {
                isolatedBy = policy.Name;
            }
        }

        return isolatedBy is not null
            ? new(direction, nic.Instance, nic.Nic, PolicyAction.Deny, isolatedBy)
            : new(direction, nic.Instance, nic.Nic, direction == PolicyDirection.In ? network.Defaults.In : network.Defaults.Out);
    }

    private static bool FitsPeers(NetworkSpec network, IReadOnlyList<PolicyPeer>? peers, IPAddress address)
    {
        if (peers is null)
        {
            return true;
        }

        foreach (var peer in peers)
        {
            if (peer.Cidr is { } cidr && IPNetwork.Parse(cidr).Contains(address) && !(peer.Except ?? []).Any(e => IPNetwork.Parse(e).Contains(address)))
            {
                return true;
            }

            if (peer.Instances is { } selector && NicWith(network, address) is { } nic && selector.Chooses(nic.Labels))
            {
                return true;
            }
        }

        return false;
    }

    private static bool FitsPorts(IReadOnlyList<PolicyPorts>? ports, Connection connection)
    {
        if (ports is null)
        {
            return true;
        }

        foreach (var some in ports)
        {
            if (some.Protocol == connection.Protocol && (some.Ports is null || (connection.Port is { } port && PortRange.Parse(some.Ports).Contains(port))))
            {
                return true;
            }
        }

        return false;
    }
}
