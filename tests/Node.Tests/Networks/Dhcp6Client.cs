using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>As little of a DHCPv6 client (RFC 8415) as gets an address: solicit, advertise, request, reply.</summary>
internal static class Dhcp6Client
{
    private const int Solicit = 1, Advertise = 2, Request = 3, Reply = 7;
    private const int ClientId = 1, ServerId = 2, NonTemporary = 3, Address = 5;
    private static readonly byte[] Identity = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]; // of the association, and no wishes for its times

    public static async Task<IPAddress> LeaseAsync(NetworkNamespace space, string mac)
    {
        string[] show = ["ip", "-json", "-details", "address", "show", "dev", "eth0"];
        var device = HostLink.ReadAll(await space.RunAsync(show))[0].Index;
        await space.UntilAsync(a => a.Contains("fe80", StringComparison.Ordinal) && !a.Contains("tentative", StringComparison.Ordinal), show);
        return await space.DoAsync(() => Lease(device, mac));
    }

    private static IPAddress Lease(int device, string mac)
    {
        using var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 1000 };
        socket.Bind(new IPEndPoint(IPAddress.IPv6Any, 546));
        socket.SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.MulticastInterface, device);

        // By link-layer address (section 11.4).
        byte[] client = [.. Option(ClientId, [0, 3, 0, 1, .. Convert.FromHexString(mac.Replace(":", "", StringComparison.Ordinal))])];
        var advertised = Ask(socket, device, Solicit, Advertise, [.. client, .. Option(NonTemporary, Identity)]);
        var server = Option(ServerId, Find(advertised, ServerId)!);
        var reply = Ask(socket, device, Request, Reply, [.. client, .. server, .. Option(NonTemporary, Identity)]);
        return new IPAddress(Find(Find(reply, NonTemporary).AsSpan(12), Address).AsSpan(0, 16));
    }

    /// <returns>The options of the answer.</returns>
    private static byte[] Ask(Socket socket, int device, byte type, byte answer, byte[] options)
    {
        var to = new IPEndPoint(new IPAddress(IPAddress.Parse("ff02::1:2").GetAddressBytes(), device), 547);
        byte[] elapsed = [0, 8, 0, 2, 0, 0], message = [type, 1, 2, type, .. options, .. elapsed], buffer = new byte[2048];
        for (var tries = 0; ; tries++)
        {
            try
            {
                socket.SendTo(message, to);
                var length = socket.Receive(buffer);
                if (length > 4 && buffer[0] == answer && buffer[3] == type)
                {
                    return buffer[4..length];
                }
            }
            catch (SocketException) when (tries < 60)
            {
                // No answer yet.
            }
        }
    }

    private static byte[] Option(int code, byte[] value) => [(byte)(code >> 8), (byte)code, (byte)(value.Length >> 8), (byte)value.Length, .. value];

    private static byte[]? Find(ReadOnlySpan<byte> options, int code)
    {
        while (options.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(options[2..]);
            if (BinaryPrimitives.ReadUInt16BigEndian(options) == code)
            {
                return options[4..(4 + length)].ToArray();
            }

            options = options[(4 + length)..];
        }

        return null;
    }
}
