using System.Net;
using System.Net.Sockets;
using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>
/// Where images may be fetched from: http and https to anywhere an administrator of this node could reach, but not the
/// link-local addresses at which clouds hand out this host's own keys. Names are looked at as they resolve, at every redirect anew.
/// </summary>
internal static class DownloadAddress
{
    /// <summary>Amazon's metadata service over IPv6, which is not link-local.</summary>
    private static readonly IPAddress AmazonMetadata = IPAddress.Parse("fd00:ec2::254");

    /// <exception cref="Refusal"><c>image.url_refused</c>, <c>image.address_refused</c></exception>
    public static Uri Demand(string text, bool linkLocal)
    {
        var url = Uri.TryCreate(text, UriKind.Absolute, out var parsed) ? parsed : throw ImageErrors.UrlRefused("it is no absolute address");
        if (url.Scheme is not ("http" or "https"))
        {
            throw ImageErrors.UrlRefused($"its scheme is {url.Scheme}");
        }

        if (url.UserInfo.Length > 0)
        {
            throw ImageErrors.UrlRefused("it carries a user name");
        }

        return !linkLocal && IPAddress.TryParse(url.Host.Trim('[', ']'), out var address) && IsLinkLocal(address) ? throw ImageErrors.AddressRefused(address.ToString()) : url;
    }

    /// <summary>For people: without a query, which may hold a signature.</summary>
    public static string Shown(Uri url) => url.GetLeftPart(UriPartial.Path);

    public static bool IsLinkLocal(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return plain.IsIPv6LinkLocal || plain.Equals(AmazonMetadata) || (plain.AddressFamily == AddressFamily.InterNetwork && plain.GetAddressBytes() is [169, 254, ..]);
    }

    /// <summary>An HTTP client that looks at each address before it connects to it, and follows no redirect by itself.</summary>
    public static HttpMessageInvoker Client(bool linkLocal) => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(30),
        ConnectCallback = async (context, ct) =>
        {
            var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, ct);
            if (!linkLocal && addresses.FirstOrDefault(IsLinkLocal) is { } refused)
            {
                throw ImageErrors.AddressRefused(refused.ToString());
            }

            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, ct);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    });
}
