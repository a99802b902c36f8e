using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Host;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Gantry.Daemon.Systems;

/// <summary>Where the API is served: the Unix socket, for local administrators, and HTTPS.</summary>
internal sealed class FrontDoors
{
    /// <summary>A page of a thousand instances is handed over at once rather than in many small pieces, each with a wait.</summary>
    public const int PageBytes = 1 << 20;

    /// <summary>Over HTTPS, where strangers may knock; the Unix socket has no such limit.</summary>
    private const int MostConnections = 1_000;

    private readonly GantryRoot _root;
    private readonly GantryConfig _config;
    private readonly X509Certificate2 _certificate;
    private readonly IPEndPoint? _https;

    public FrontDoors(GantryRoot root, GantryConfig config, TimeProvider time)
    {
        (_root, _config) = (root, config);
        _certificate = Certificate.Open(root, time);
        if (config.HttpsListen != "off")
        {
            var wanted = Settled(IPEndPoint.Parse(config.HttpsListen));
            _https = TryBind(wanted) is null ? null : wanted;
            HttpsTrouble = _https is null ? $"{wanted} is taken by another process; the API is served on the Unix socket alone." : null;
        }
    }

    /// <summary>Why HTTPS is not served though it is asked for. No reason not to start: the Unix socket is there.</summary>
    public string? HttpsTrouble { get; }

    public string CertificateSha256 => _certificate.GetCertHashString(HashAlgorithmName.SHA256).ToLowerInvariant();

    public string? HttpsUrl => _https is null ? null
        : string.Create(CultureInfo.InvariantCulture, $"https://{(IPAddress.IsLoopback(_https.Address) ? "localhost" : Environment.MachineName)}:{_https.Port}");

    public void Listen(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = Limits.BodyBytes;
        kestrel.Limits.MaxResponseBufferSize = PageBytes;
        if (File.Exists(_root.Socket))
        {
            // Left by a killed daemon: this one holds the root's lock, so nobody listens there.
            File.Delete(_root.Socket);
        }

        kestrel.ListenUnixSocket(_root.Socket, listen => listen.UseLocalPeers());
        if (_https is not null)
        {
            var places = new SemaphoreSlim(MostConnections);
            kestrel.Listen(_https, listen =>
            {
                listen.Use(next => async connection =>
                {
                    if (!places.Wait(0, CancellationToken.None))
                    {
                        connection.Abort();
                        return;
                    }

                    try
                    {
                        await next(connection);
                    }
                    finally
                    {
                        places.Release();
                    }
                });
                listen.UseHttps(_certificate);
            });
        }
    }

    /// <summary>Once it listens: only root and the configured group may open the socket. Until then only root could.</summary>
    public void Guard()
    {
        HostUsers.TryGiveGroup(_root.Socket, _config.SocketGroup);
        File.SetUnixFileMode(_root.Socket, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
    }

    /// <summary>A port that the system chose once is kept, so that a daemon is found where it was; unless somebody else has it now.</summary>
    private IPEndPoint Settled(IPEndPoint wanted)
    {
        if (wanted.Port != 0)
        {
            return wanted;
        }

        var path = $"{_root.Data}/https-port";
        var kept = File.Exists(path) && int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out var port) ? port : 0;
        var settled = TryBind(new(wanted.Address, kept)) ?? TryBind(wanted) ?? wanted;
        File.WriteAllText(path, settled.Port.ToString(CultureInfo.InvariantCulture));
        return settled;
    }

    private static IPEndPoint? TryBind(IPEndPoint endpoint)
    {
        using var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(endpoint);
            return (IPEndPoint)socket.LocalEndPoint!;
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
