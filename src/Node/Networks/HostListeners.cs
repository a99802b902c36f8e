using System.Globalization;
using System.Net;
using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>Ports of this host that a program listens on, so that a forward does not take them from it.</summary>
public static class HostListeners
{
    private const string TcpListen = "0A";  // TCP_LISTEN of the kernel's tcp_states.h
    private const string UdpUnconnected = "07"; // TCP_CLOSE, which an unconnected UDP socket shows

    /// <summary>From the kernel's tables (proc(5), /proc/net/tcp) of the network namespace this process is in.</summary>
    public static IReadOnlyList<(TransportProtocol Protocol, IPAddress Address, int Port)> Read() =>
    [
        .. Read("tcp", TransportProtocol.Tcp, TcpListen), .. Read("tcp6", TransportProtocol.Tcp, TcpListen),
        .. Read("udp", TransportProtocol.Udp, UdpUnconnected), .. Read("udp6", TransportProtocol.Udp, UdpUnconnected),
    ];

    private static IEnumerable<(TransportProtocol, IPAddress, int)> Read(string table, TransportProtocol protocol, string state) =>
        from line in File.Exists($"/proc/self/net/{table}") ? File.ReadLines($"/proc/self/net/{table}").Skip(1) : []
        let fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        where fields.Length > 3 && fields[3] == state
        let local = fields[1].Split(':')
        select (protocol, AddressOf(local[0]), int.Parse(local[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture));

    /// <summary>Each 32 bits are written as a number of the host's byte order.</summary>
    private static IPAddress AddressOf(string hex)
    {
        var bytes = Convert.FromHexString(hex);
        if (BitConverter.IsLittleEndian)
        {
            for (var word = 0; word < bytes.Length; word += 4)
            {
                Array.Reverse(bytes, word, 4);
            }
        }

        return new(bytes);
    }
}
