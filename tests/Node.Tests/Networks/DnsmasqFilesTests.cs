using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>What dnsmasq is told of a network.</summary>
public sealed class DnsmasqFilesTests
{
    private static readonly NetworkSpec Nat = new(NetworkSamples.Id, "default", NetworkKind.Nat, "default.gantry") { Ipv4 = "10.77.0.1/24", Ipv6 = "fd42:1::1/64" };

    [Fact]
    public void A_nat_network_with_both_families() => DnsmasqFiles.Of(Nat, "/run").Options.ShouldBe(
        """
        # Network default: written by Gantry, which writes it anew at every start.
        interface=gb-ac10015ec5
        bind-interfaces
        except-interface=lo
        user=
        group=
        pid-file
        no-hosts
        addn-hosts=/run/names
        domain=default.gantry
        local=/default.gantry/
        domain-needed
        bogus-priv
        dhcp-hostsfile=/run/leases
        leasefile-ro
        dhcp-authoritative
        dhcp-ignore=tag:!known
        dhcp-ignore-names
        no-ping
        dhcp-lease-max=100000
        quiet-dhcp
        quiet-dhcp6
        quiet-ra
        log-async=20
        dhcp-range=10.77.0.0,static,255.255.255.0,1h
        dhcp-range=fd42:1::,static,64,1h
        enable-ra
        dhcp-duid=32473,019a8b1c000070008000000000000001
        dhcp-option=option6:domain-search,default.gantry

        """);

    [Fact]
    public void An_isolated_network_says_no_way_out_and_asks_nobody_else_for_names() =>
        Different(Nat with { Kind = NetworkKind.Isolated }).ShouldBe(["+ no-resolv", "+ dhcp-option=option:router", $"+ ra-param={NetworkNames.Bridge(Nat.Id)},600,0"]);

    [Fact]
    public void With_SLAAC_guests_make_their_address_and_get_only_the_rest_from_DHCPv6() =>
        Different(Nat with { Ipv6Mode = Ipv6Mode.Slaac }).ShouldBe(["+ dhcp-range=fd42:1::,ra-stateless,64,1h", "- dhcp-range=fd42:1::,static,64,1h"]);

    [Fact]
    public void Guests_are_told_of_packets_of_another_size() =>
        Different(Nat with { Vxlan = new(1, "192.168.9.1", []) }).ShouldBe(["+ dhcp-option-force=option:mtu,1450"]);

    [Fact]
    public void A_family_a_network_has_not_is_not_spoken_of()
    {
        DnsmasqFiles.Of(Nat with { Ipv6 = null }, "/run").Options.ShouldNotContain("fd42");
        DnsmasqFiles.Of(Nat with { Ipv4 = null }, "/run").Options.ShouldNotContain("10.77");
        DnsmasqFiles.Of(Nat with { Ipv4 = "172.16.4.1/22" }, "/run").Options.ShouldContain("dhcp-range=172.16.4.0,static,255.255.252.0,1h\n");
        DnsmasqFiles.IsFor(Nat with { Ipv4 = null, Ipv6 = null }).ShouldBeFalse();
    }

    [Fact]
    public void Every_NIC_has_a_line_for_its_lease_and_one_for_each_address()
    {
        var network = Nat.With(Nat.Nic("web1", 5) with { Mac = "52:54:00:AB:CD:EF" }, Nat.Nic("db1", 6), Nat.Nic("db1", 7, "eth1") with { Ipv4 = null });

        var files = DnsmasqFiles.Of(network, "/run");

        files.Leases.ShouldBe(
            """
            52:54:00:00:00:06,10.77.0.6,[fd42:1::6],db1
            52:54:00:00:00:07,[fd42:1::7],db1
            52:54:00:ab:cd:ef,10.77.0.5,[fd42:1::5],web1

            """);
        files.Names.ShouldBe(
            """
            10.77.0.6 db1.default.gantry db1
            fd42:1::6 db1.default.gantry db1
            fd42:1::7 db1.default.gantry db1
            10.77.0.5 web1.default.gantry web1
            fd42:1::5 web1.default.gantry web1

            """);
    }

    [Fact]
    public void Only_what_is_added_can_be_read_again()
    {
        var (web, db) = (Nat.Nic("web1", 5), Nat.Nic("db1", 6));
        DnsmasqFiles Files(params NicAddress[] nics) => DnsmasqFiles.Of(Nat.With(nics), "/run");

        Files(web, db).OnlyAddsTo(Files(web)).ShouldBeTrue();
        Files(db, web).OnlyAddsTo(Files(web, db)).ShouldBeTrue();
        Files(web).OnlyAddsTo(Files(web, db)).ShouldBeFalse();
        Files(web with { Ipv4 = "10.77.0.9" }).OnlyAddsTo(Files(web)).ShouldBeFalse();
        DnsmasqFiles.Of(Nat with { Domain = "other" }, "/run").OnlyAddsTo(Files()).ShouldBeFalse();
    }

    private static IEnumerable<string> Different(NetworkSpec network)
    {
        string[] before = DnsmasqFiles.Of(Nat, "/run").Options.Split('\n'), after = DnsmasqFiles.Of(network, "/run").Options.Split('\n');
        return [.. after.Except(before).Select(l => $"+ {l}"), .. before.Except(after).Select(l => $"- {l}")];
    }
}
