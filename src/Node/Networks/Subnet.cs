using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Gantry.Node.Networks;

/// <summary>An address and the length of its network's prefix, such as a gateway's <c>10.77.0.1/24</c>.</summary>
public readonly partial record struct Subnet(IPAddress Address, int PrefixLength)
{
    public bool IsIpv4 => Address.AddressFamily == AddressFamily.InterNetwork;

    public IPAddress First => AddressOf(Number(Address) & ~HostMask);

    public IPAddress Last => AddressOf(Number(Address) | HostMask);

    private int Bits => IsIpv4 ? 32 : 128;

    private BigInteger HostMask => (BigInteger.One << (Bits - PrefixLength)) - 1;

    public static Subnet Parse(string text) => TryParse(text, out var subnet) ? subnet : throw new FormatException($"'{text}' is no address with the length of a prefix.");

    /// <summary>Only the usual way of writing: four decimal numbers, or colons; a slash; a decimal number.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Subnet subnet)
    {
        subnet = default;
        if (text?.Split('/') is not [var address, var length] || !TryParseAddress(address, out var parsed)
            || !int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var bits) || bits > (parsed.AddressFamily == AddressFamily.InterNetwork ? 32 : 128))
        {
            return false;
        }

        subnet = new(parsed, bits);
        return true;
    }

    /// <summary>Reads an address as people write it: four numbers without leading zeros, or IPv6 without a zone.</summary>
    public static bool TryParseAddress([NotNullWhen(true)] string? text, [NotNullWhen(true)] out IPAddress? address)
    {
        address = null;
        return text is not null && (text.Contains(':', StringComparison.Ordinal) ? Ipv6() : Ipv4()).IsMatch(text) && IPAddress.TryParse(text, out address);
    }

    public bool Contains(IPAddress other) => other.AddressFamily == Address.AddressFamily && (Number(other) & ~HostMask) == (Number(Address) & ~HostMask);

    public bool Overlaps(Subnet other) => Contains(other.First) || other.Contains(First);

    /// <summary>Whether a guest can have it: in the subnet, and neither its gateway, nor in IPv4 one of the two that mean all of it.</summary>
    public bool CanBeGuest(IPAddress other) => Contains(other) && !other.Equals(Address) && !(other.Equals(First) || (IsIpv4 && other.Equals(Last)));

    /// <summary>The address a guest makes of the prefix and its MAC (RFC 4291, appendix A).</summary>
    public IPAddress Eui64(string mac)
    {
        var bytes = PhysicalAddress.Parse(mac.ToUpperInvariant().Replace(':', '-')).GetAddressBytes();
        var address = First.GetAddressBytes();
        byte[] identifier = [(byte)(bytes[0] ^ 2), bytes[1], bytes[2], 0xff, 0xfe, bytes[3], bytes[4], bytes[5]];
        identifier.CopyTo(address, 8);
        return new(address);
    }

    /// <summary>The lowest that a guest can have and nobody has; null when there is none.</summary>
    public IPAddress? LowestFree(IReadOnlySet<IPAddress> taken)
    {
        for (var number = Number(First) + 1; number <= Number(Last); number++)
        {
            if (AddressOf(number) is var address && CanBeGuest(address) && !taken.Contains(address))
            {
                return address;
            }
        }

        return null;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address}/{PrefixLength}");

    private static BigInteger Number(IPAddress address) => new(address.GetAddressBytes(), isUnsigned: true, isBigEndian: true);

    private IPAddress AddressOf(BigInteger number)
    {
        var bytes = new byte[Bits / 8];
        var digits = number.ToByteArray(isUnsigned: true, isBigEndian: true);
        digits.CopyTo(bytes, bytes.Length - digits.Length);
        return new(bytes);
    }

    [GeneratedRegex(@"\A((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\z")]
    private static partial Regex Ipv4();

    [GeneratedRegex(@"\A[0-9A-Fa-f:]{2,39}\z|\A[0-9A-Fa-f:]{2,30}:[0-9.]{7,15}\z")]
    private static partial Regex Ipv6();
}
