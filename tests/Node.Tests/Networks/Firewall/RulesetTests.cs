using System.Runtime.CompilerServices;
using Gantry.Contracts;
using Gantry.Node.Networks;
using Gantry.Node.Networks.Firewall;
using static Gantry.Node.Tests.Networks.Firewall.Examples;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>
/// The scripts as they are meant, in files beside this one; that they do what they should is for the tests with packets.
/// <c>GANTRY_UPDATE_GOLDEN=1</c> writes them anew; the difference is then for the review.
/// </summary>
public class RulesetTests
{
    private static readonly NetworkSpec Plain = Network(77, ("web", "app=web")) with
    {
        Forwards =
        [
            Forward(TransportProtocol.Tcp, "8080", "web", 80), Forward(TransportProtocol.Udp, "5000-5009", "web"),
            Forward(TransportProtocol.Tcp, "8443", "web", 443, "192.0.2.1"),
        ],
    };

    private static readonly NetworkSpec Guarded = Network(78, ("db", "app=db"), ("client", "app=client")) with
    {
        Kind = NetworkKind.Isolated,
        Policies =
        [
            new()
            {
                Name = "db", AppliesTo = new(Labels("app=db")), Isolates = [PolicyDirection.In],
                Rules =
                [
                    Allow(PolicyDirection.In, With("app=client"), Tcp("5432"), new(PolicyProtocol.Icmp)) with { Log = true },
                    Deny(PolicyDirection.In, new("0.0.0.0/0", ["10.78.0.0/24"])), Deny(PolicyDirection.Out, new("fd00::/8"), new PolicyPorts(PolicyProtocol.Udp)),
                    Allow(PolicyDirection.In, With("app=nobody")),
                ],
            },
        ],
    };

    [Fact]
    public void A_network_with_forwards() => ShouldBe("forwards", Ruleset.Compile("gantry", [Plain]).ToString());

    [Fact]
    public void A_network_with_policies() => ShouldBe("policies", Ruleset.Compile("gantry", [Guarded]).ToString());

    [Fact]
    public void Networks_whose_addresses_come_from_elsewhere() => ShouldBe("elsewhere", Ruleset.Compile("gantry",
        [.. new[] { NetworkKind.Bridge, NetworkKind.Vlan }.Select(kind => Network((int)kind, ("web", "")) with { Kind = kind, Ipv4 = null, Ipv6 = null })
            .Select(n => n with { Addresses = [.. n.Addresses.Select(a => a with { Ipv4 = null, Ipv6 = null })] })]).ToString());

    [Fact]
    public void A_change_of_one_rule_touches_its_piece_and_what_a_network_leaves_behind_is_deleted()
    {
        var changed = Guarded with { Policies = [Guarded.Policies[0] with { Rules = [.. Guarded.Policies[0].Rules.Take(3), Allow(PolicyDirection.In, null, Tcp("80"))] }] };

        ShouldBe("change", Change([Guarded], [changed]));
        Change([Guarded], [Guarded]).ShouldBeEmpty();
        Change([Guarded, Plain], [Guarded]).ShouldContain($"delete chain bridge gantry {NetworkNames.Tap(Plain.Addresses[0].InstanceId, "eth0")}.from\n");
    }

    private static string Change(NetworkSpec[] from, NetworkSpec[] to) =>
        string.Concat(Ruleset.Compile("gantry", from).Tables.Zip(Ruleset.Compile("gantry", to).Tables, NftScript.Change));

    private static void ShouldBe(string name, string actual, [CallerFilePath] string here = "")
    {
        var file = $"{Path.GetDirectoryName(here)}/{name}.nft";
        if (Environment.GetEnvironmentVariable("GANTRY_UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(file, actual);
            return;
        }

        actual.ShouldBe(File.ReadAllText($"{AppContext.BaseDirectory}/Networks/Firewall/{name}.nft"));
    }
}
