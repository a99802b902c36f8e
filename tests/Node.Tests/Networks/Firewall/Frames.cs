using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Gantry.Contracts;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>Frames as they are on the wire, with right checksums.</summary>
internal static class Frames
{
    public const byte Fin = 1;
    public const byte Syn = 2;
    public const byte Rst = 4;
    public const byte Ack = 16;
    public const string Everyone = "ff:ff:ff:ff:ff:ff";

    public static byte[] Mac(string mac) => [.. mac.Split(':').Select(b => Convert.ToByte(b, 16))];

    public static byte[] Ethernet(string to, string from, ushort type, byte[] content) => [.. Mac(to), .. Mac(from), (byte)(type >> 8), (byte)type, .. content];

    public static byte[] Arp(string to, string from, bool reply, string senderMac, string senderIp, string targetIp, byte[] tail) => Ethernet(to, from, 0x806,
    [
        0, 1, 8, 0, 6, 4, 0, (byte)(reply ? 2 : 1), .. Mac(senderMac), .. IPAddress.Parse(senderIp).GetAddressBytes(),
        0, 0, 0, 0, 0, 0, .. IPAddress.Parse(targetIp).GetAddressBytes(), .. tail,
    ]);

    /// <summary>A packet of either family in a frame.</summary>
    public static byte[] Packet(string to, string from, string source, string destination, byte protocol, byte[] content)
    {
        var (s, d) = (IPAddress.Parse(source), IPAddress.Parse(destination));
        return s.AddressFamily == AddressFamily.InterNetworkV6
            ? Ethernet(to, from, 0x86dd, Ipv6(s, d, protocol, content))
            : Ethernet(to, from, 0x800, Ipv4(s, d, protocol, content));
    }

    /// <summary>The first packet of a connection, which ends with some bytes it is known by.</summary>
    public static byte[] First(string to, string from, string source, string destination, PolicyProtocol protocol, int sourcePort, int port, byte[] tail)
    {
        var isIpv6 = source.Contains(':', StringComparison.Ordinal);
        return protocol switch
        {
            PolicyProtocol.Tcp => Tcp(to, from, source, destination, sourcePort, port, Syn, tail),
            PolicyProtocol.Udp => Udp(to, from, source, destination, sourcePort, port, tail),
            PolicyProtocol.Sctp => Packet(to, from, source, destination, 132, [.. Ports(sourcePort, port), 0, 0, 0, 0, 0, 0, 0, 0, .. tail]),
            _ when isIpv6 => Icmpv6(to, from, source, destination, [128, 0, 0, 0, .. Word(sourcePort), 0, 1, .. tail]),
            _ => Packet(to, from, source, destination, 1, Checked(1, 2, null, null, [8, 0, 0, 0, .. Word(sourcePort), 0, 1, .. tail])),
        };
    }

    public static byte[] Tcp(string to, string from, string source, string destination, int sourcePort, int port, byte flags, byte[] content) => Packet(
        to, from, source, destination, 6,
        Checked(6, 16, source, destination, [.. Ports(sourcePort, port), 0, 0, 0, 1, 0, 0, 0, (byte)((flags & Ack) == 0 ? 0 : 1), 0x50, flags, 0x20, 0, 0, 0, 0, 0, .. content]));

    public static byte[] Udp(string to, string from, string source, string destination, int sourcePort, int port, byte[] content) =>
        Packet(to, from, source, destination, 17, Checked(17, 6, source, destination, [.. Ports(sourcePort, port), .. Word(8 + content.Length), 0, 0, .. content]));

    public static byte[] Icmpv6(string to, string from, string source, string destination, byte[] content) =>
        Packet(to, from, source, destination, 58, Checked(58, 2, source, destination, content));

    private static byte[] Word(int value) => [(byte)(value >> 8), (byte)value];

    private static byte[] Ports(int source, int destination) => [.. Word(source), .. Word(destination)];

    private static byte[] Ipv4(IPAddress source, IPAddress destination, byte protocol, byte[] content)
    {
        byte[] header = [0x45, 0, .. Word(20 + content.Length), 0, 7, 0, 0, 64, protocol, 0, 0, .. source.GetAddressBytes(), .. destination.GetAddressBytes()];
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(10), Checksum(header));
        return [.. header, .. content];
    }

    private static byte[] Ipv6(IPAddress source, IPAddress destination, byte next, byte[] content) =>
        [0x60, 0, 0, 0, .. Word(content.Length), next, 255, .. source.GetAddressBytes(), .. destination.GetAddressBytes(), .. content];

    /// <summary>With the checksum of the Internet (RFC 1071) put in its place, over the addresses too where they are given.</summary>
    private static byte[] Checked(byte protocol, int place, string? source, string? destination, byte[] content)
    {
        byte[] before = source is null || destination is null ? []
            : [.. IPAddress.Parse(source).GetAddressBytes(), .. IPAddress.Parse(destination).GetAddressBytes(), 0, protocol, .. Word(content.Length)];
        BinaryPrimitives.WriteUInt16BigEndian(content.AsSpan(place), Checksum([.. before, .. content]));
        return content;
    }

    private static ushort Checksum(byte[] bytes)
    {
        uint sum = 0;
        for (var i = 0; i < bytes.Length; i += 2)
        {
            sum += (uint)((bytes[i] << 8) | (i + 1 < bytes.Length ? bytes[i + 1] : 0));
        }

        while (sum > 0xffff)
        {
            sum = (sum & 0xffff) + (sum >> 16);
        }

        return (ushort)~sum;
    }
}
