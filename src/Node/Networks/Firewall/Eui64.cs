using System.Globalization;
using System.Net;

namespace Gantry.Node.Networks.Firewall;

/// <summary>Addresses that a card makes of its MAC (RFC 4291, appendix A).</summary>
internal static class Eui64
{
    public static string LinkLocal(string mac)
    {
        var bytes = mac.Split(':').Select(b => byte.Parse(b, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)).ToArray();
        return $"{new IPAddress([0xfe, 0x80, 0, 0, 0, 0, 0, 0, (byte)(bytes[0] ^ 2), bytes[1], bytes[2], 0xff, 0xfe, .. bytes[3..]])}";
    }
}
