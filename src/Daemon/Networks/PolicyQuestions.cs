using System.Net;
using Gantry.Contracts;
using Gantry.Node.Networks;
using Gantry.Node.Networks.Firewall;

namespace Gantry.Daemon.Networks;

/// <summary>What would become of a connection between ends that people name.</summary>
internal static class PolicyQuestions
{
    /// <exception cref="Refusal"><c>policy.no_such_end</c></exception>
    public static PolicyDecision Answer(NetworkSpec network, ExplainPolicy asked)
    {
        var (from, to) = (AddressesOf(network, asked.From), AddressesOf(network, asked.To));
        var pair = from.SelectMany(f => to, (f, t) => (From: f, To: t)).FirstOrDefault(p => p.From.AddressFamily == p.To.AddressFamily);
        return pair.From is null ? throw PolicyErrors.NoEnd(network.Name, asked.To) : PolicyEvaluator.Decide(network, new(pair.From, pair.To, asked.Protocol, asked.Port));
    }

    /// <summary>IPv4 first, so that it is what two instances are asked about.</summary>
    private static IPAddress[] AddressesOf(NetworkSpec network, string end)
    {
        if (Subnet.TryParseAddress(end, out var address))
        {
            return [address];
        }

        var nics = network.Addresses.Where(a => a.Instance == end || a.InstanceId.ToString() == end).ToList();
        return nics.Count == 0 ? throw PolicyErrors.NoEnd(network.Name, end) : [.. nics.Select(n => n.Ipv4).Concat(nics.Select(n => n.Ipv6)).OfType<string>().Select(IPAddress.Parse)];
    }
}
