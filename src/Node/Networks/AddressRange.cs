using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace Gantry.Node.Networks;

/// <summary>Addresses of one family from the first to the last, both belonging to it. Written as the address, or as <c>FIRST-LAST</c>.</summary>
public readonly partial record struct AddressRange(bool IsIpv6, UInt128 First, UInt128 Last)
{
    /// <summary>Reads CIDR notation (RFC 4632, RFC 4291), such as <c>10.0.0.0/8</c>: the prefix is given, and what is behind it is zero.</summary>
    public static bool TryParse(string? cidr, out AddressRange range)
    {
        range = default;
        if (cidr?.Split('/') is not [var text, var length] || !Subnet.TryParseAddress(text, out var address) || !Length().IsMatch(length))
        {
            return false;
        }

        var (isIpv6, first) = Number(address);
        var host = (isIpv6 ? 128 : 32) - int.Parse(length, CultureInfo.InvariantCulture);
        if (host < 0 || (first & Ones(host)) != 0)
        {
            return false;
        }

        range = new(isIpv6, first, first | Ones(host));
        return true;
    }

    public static AddressRange Of(IPAddress address) => Number(address) is var (isIpv6, number) ? new(isIpv6, number, number) : default;

    /// <summary>All addresses of a subnet.</summary>
    public static AddressRange Of(Subnet subnet) => Of(subnet.First) with { Last = Of(subnet.Last).Last };

    public bool Overlaps(AddressRange other) => IsIpv6 == other.IsIpv6 && First <= other.Last && other.First <= Last;

    public bool Contains(AddressRange other) => IsIpv6 == other.IsIpv6 && First <= other.First && other.Last <= Last;

    /// <summary>What is left of it without the others.</summary>
    public IEnumerable<AddressRange> Without(IEnumerable<AddressRange> others)
    {
        var from = First;
        foreach (var other in others.Where(Overlaps).OrderBy(o => o.First))
        {
            if (other.First > from)
            {
                yield return this with { First = from, Last = other.First - 1 };
            }

            if (other.Last >= Last)
            {
                yield break;
            }

            from = UInt128.Max(from, other.Last + 1);
        }

        yield return this with { First = from };
    }

    /// <summary>The same addresses in as few ranges as possible, sorted. They are of one family.</summary>
    public static IEnumerable<AddressRange> Merge(IEnumerable<AddressRange> ranges)
    {
        AddressRange? open = null;
        foreach (var range in ranges.OrderBy(r => r.First))
        {
            if (open is { } before && (range.First <= before.Last || range.First - 1 == before.Last))
            {
                open = before with { Last = UInt128.Max(before.Last, range.Last) };
                continue;
            }

            if (open is { } done)
            {
                yield return done;
            }

            open = range;
        }

        if (open is { } last)
        {
            yield return last;
        }
    }

    public override string ToString() => First == Last ? $"{Address(First)}" : $"{Address(First)}-{Address(Last)}";

    private static UInt128 Ones(int bits) => bits == 128 ? UInt128.MaxValue : (UInt128.One << bits) - 1;

    private static (bool IsIpv6, UInt128 Number) Number(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        return bytes.Length == 16 ? (true, BinaryPrimitives.ReadUInt128BigEndian(bytes)) : (false, BinaryPrimitives.ReadUInt32BigEndian(bytes));
    }

    private IPAddress Address(UInt128 number)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, number);
        return new(IsIpv6 ? bytes : bytes.AsSpan(12));
    }

    [GeneratedRegex(@"\A(0|[1-9][0-9]{0,2})\z")]
    private static partial Regex Length();
}
