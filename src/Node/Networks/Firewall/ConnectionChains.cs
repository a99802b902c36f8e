namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// Which connections of a guarded NIC are known, by sets that packets fill: of nftables, connection tracking on a bridge is a module of its
/// own that not every kernel has, and br_netfilter would change the host's other bridges. Each entry is written from the side that began,
/// so one set serves both directions. Every NIC has its own sets, so that a guest can only fill its own.
/// </summary>
/// <remarks>
/// <c>NAME.known</c> lets pass what belongs to a known connection and comes back from anything else. <c>NAME.keep</c> is passed by what
/// was let through, and remembers what is new. An answer lengthens an entry; the end of a TCP connection moves it to those closing, where it
/// stays a minute after its last packet. A fragment behind the first has no ports and belongs to its first.
/// </remarks>
internal static class ConnectionChains
{
    /// <param name="Inner">The address pair in the packet that an ICMP error is about, in the order of <paramref name="Pair"/>, and turned round.</param>
    private sealed record Family(
        string Digit, string From, string To, string Pair, string PairBack, string Inner, string InnerBack,
        string Fragment, string Part, string FirstPart, string Icmp, string IcmpType, string[] Errors)
    {
        public string Flow => $"{From} . {To} . meta l4proto . th sport . th dport";

        public string FlowBack => $"{To} . {From} . meta l4proto . th dport . th sport";
    }

    // Addresses in pairs are read by their place in the header (RFC 791, 3.1; RFC 8200, 3), so that those in ICMP errors can be compared with them.
    private static readonly Family[] Families =
    [
        new("4", "ip saddr", "ip daddr", "@nh,96,32 . @nh,128,32 . @nh,72,8", "@nh,128,32 . @nh,96,32 . @nh,72,8",
            "@th,160,32 . @th,192,32 . @th,136,8", "@th,192,32 . @th,160,32 . @th,136,8",
            "ip saddr . ip daddr . meta l4proto . ip id", "ip frag-off & 0x1fff != 0", "ip frag-off & 0x3fff == 0x2000",
            "icmp", "icmp type", ["destination-unreachable", "time-exceeded", "parameter-problem"]),
        new("6", "ip6 saddr", "ip6 daddr", "@nh,64,128 . @nh,192,128 . @nh,48,8", "@nh,192,128 . @nh,64,128 . @nh,48,8",
            "@th,128,128 . @th,256,128 . @th,112,8", "@th,256,128 . @th,128,128 . @th,112,8",
            "ip6 saddr . ip6 daddr . frag id", "frag frag-off != 0", "frag frag-off 0 frag more-fragments 1",
            "ipv6-icmp", "icmpv6 type", ["1-4"]),
    ];

    private static readonly string[] WithPorts = ["tcp", "udp", "sctp"];

    public static void Add(NftTable table, string nic)
    {
        foreach (var both in (string[])["known", "keep"])
        {
            table.Chain($"{nic}.{both}", [$"meta protocol ip goto {nic}.{both}4", $"meta protocol ip6 goto {nic}.{both}6"]);
        }

        foreach (var family in Families)
        {
            AddKnown(table, nic, family);
            AddKeep(table, nic, family);
        }
    }

    private static void AddKnown(NftTable table, string nic, Family f)
    {
        var (flows, closing, pairs, parts) = ($"{nic}.flows{f.Digit}", $"{nic}.closing{f.Digit}", $"{nic}.pairs{f.Digit}", $"{nic}.parts{f.Digit}");
        table.Set(flows, f.Flow, "1m");
        table.Set(closing, f.Flow, "1m");
        table.Set(pairs, f.Pair, "6h");
        table.Set(parts, f.Fragment, "30s");
        table.Chain($"{nic}.known{f.Digit}",
        [
            $"{f.Part} goto {nic}.part{f.Digit}",
            $"{f.Flow} @{flows} goto {nic}.begun{f.Digit}",
            $"{f.FlowBack} @{flows} goto {nic}.answered{f.Digit}",
            $"tcp flags & (syn | ack) != syn {f.Flow} @{closing} update @{closing} {{ {f.Flow} }} accept",
            $"tcp flags & (syn | ack) != syn {f.FlowBack} @{closing} update @{closing} {{ {f.FlowBack} }} accept",
            $"{f.IcmpType} echo-reply {f.PairBack} @{pairs} accept",
            .. f.Errors.Select(e => $"{f.IcmpType} {e} goto {nic}.error{f.Digit}"),
            .. WithPorts.Append(f.Icmp).Select(p => $"meta l4proto {p} return"),
            $"{f.PairBack} @{pairs} accept",
        ]);
        table.Chain($"{nic}.part{f.Digit}", [$"{f.Fragment} @{parts} accept", "counter drop"]);
        table.Chain($"{nic}.error{f.Digit}", [$"{f.Inner} @{pairs} accept", $"{f.InnerBack} @{pairs} accept"]);
        table.Chain($"{nic}.begun{f.Digit}", [.. Closing(f.Flow), "accept"]);
        table.Chain($"{nic}.answered{f.Digit}",
        [
            .. Closing(f.FlowBack),
            "tcp flags & syn == syn accept",
            $"meta l4proto tcp update @{flows} {{ {f.FlowBack} timeout 6h }} accept",
            $"update @{flows} {{ {f.FlowBack} timeout 2m }} accept",
            "accept",
        ]);

        // Where there is no room among the closing ones, it is forgotten at once.
        string[] Closing(string flow) =>
            [$"tcp flags & (fin | rst) != 0 update @{closing} {{ {flow} }}", $"tcp flags & (fin | rst) != 0 delete @{flows} {{ {flow} }} accept"];
    }

    private static void AddKeep(NftTable table, string nic, Family f)
    {
        var (flows, closing, pairs, parts) = ($"{nic}.flows{f.Digit}", $"{nic}.closing{f.Digit}", $"{nic}.pairs{f.Digit}", $"{nic}.parts{f.Digit}");
        table.Chain($"{nic}.keep{f.Digit}",
        [
            $"{f.Part} accept",
            $"{f.FirstPart} update @{parts} {{ {f.Fragment} }}",
            $"{f.Flow} @{flows} accept",
            $"{f.FlowBack} @{flows} accept",
            $"tcp flags & (syn | ack) != syn {f.Flow} @{closing} accept",
            $"tcp flags & (syn | ack) != syn {f.FlowBack} @{closing} accept",
            $"{f.IcmpType} echo-request update @{pairs} {{ {f.Pair} }} accept",
            $"meta l4proto {f.Icmp} accept",
            .. WithPorts.Select(p => $"meta l4proto {p} goto {nic}.begin{f.Digit}"),
            $"{f.PairBack} @{pairs} accept",
            $"update @{pairs} {{ {f.Pair} }}",
        ]);
        table.Chain($"{nic}.begin{f.Digit}", [$"update @{pairs} {{ {f.Pair} }}", $"update @{flows} {{ {f.Flow} }}"]);
    }
}
