using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using Gantry.Contracts;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Gantry.Daemon.Platform;

/// <summary>
/// Who is at the other end of the Unix socket: the kernel says (SO_PEERCRED, unix(7)). Whoever may open it is a local
/// administrator. Everybody else must sign in; until there are users, that is nobody.
/// </summary>
internal static class LocalPeers
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    private static readonly object Key = typeof(LocalPeers);

    /// <summary>Notes, once per connection, the user at its other end.</summary>
    public static void UseLocalPeers(this ListenOptions listen) => listen.Use(next => connection =>
    {
        connection.Items[Key] = NameOf(connection);
        return next(connection);
    });

    /// <summary>Null for a connection that is not local.</summary>
    public static string? NameOf(HttpContext http) =>
        http.Features.Get<IConnectionItemsFeature>()?.Items.TryGetValue(Key, out var name) == true ? (string?)name : null;

    /// <summary>Turns away, before any route sees it, a request from outside for a route that asks for a sign-in, and for no route at all.</summary>
    public static IApplicationBuilder UseSignIn(this IApplicationBuilder app) => app.Use((http, next) =>
    {
        if (NameOf(http) is not null || http.GetEndpoint()?.Metadata.OfType<Privilege>().Contains(Privilege.None) == true)
        {
            return next(http);
        }

        http.Response.StatusCode = StatusCodes.Status401Unauthorized;
        return Task.CompletedTask;
    });

    private static string NameOf(ConnectionContext connection)
    {
        Span<byte> credentials = stackalloc byte[12];
        var socket = connection.Features.Get<IConnectionSocketFeature>()?.Socket;
        if (socket?.AddressFamily != AddressFamily.Unix || socket.GetRawSocketOption(SolSocket, SoPeerCred, credentials) != credentials.Length)
        {
            throw new InvalidOperationException("A local connection is a Unix socket.");
        }

        var uid = BinaryPrimitives.ReadInt32LittleEndian(credentials[4..]);
        return uid == 0 ? "root" : string.Create(CultureInfo.InvariantCulture, $"uid:{uid}");
    }
}
