using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Gantry.Contracts;
using Gantry.Node;
using Gantry.Node.Host;

namespace Gantry.Daemon.Systems;

/// <summary>The certificate of the HTTPS door: made at first start for this host's names, then kept; put your own in its place.</summary>
internal static class Certificate
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static X509Certificate2 Open(GantryRoot root, TimeProvider time)
    {
        var (certificate, key) = ($"{root.Etc}/tls/server.crt", $"{root.Etc}/tls/server.key");
        if (!File.Exists(certificate) || !File.Exists(key))
        {
            Make(certificate, key, time.GetUtcNow());
        }

        try
        {
            return X509Certificate2.CreateFromPemFile(certificate, key);
        }
        catch (CryptographicException e)
        {
            throw new Refusal("certificate.unusable", 503, $"{certificate} with {key} cannot be used: {e.Message}",
                "Put a certificate and its own key there as PEM, or remove both to have one made.", inner: e);
        }
    }

    private static void Make(string certificate, string key, DateTimeOffset now)
    {
        using var pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={Environment.MachineName}, O=Gantry", pair, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var name in new[] { "localhost", Environment.MachineName }.Distinct())
        {
            names.AddDnsName(name);
        }

        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        using var made = request.CreateSelfSigned(now.AddDays(-1), now.AddYears(10));

        Directory.CreateDirectory(Path.GetDirectoryName(key)!, OwnerOnly | UnixFileMode.UserExecute);
        // The certificate last: one that is there has its key.
        File.Delete(certificate);
        AtomicFile.Write(key, Encoding.ASCII.GetBytes(pair.ExportPkcs8PrivateKeyPem()));
        AtomicFile.Write(certificate, Encoding.ASCII.GetBytes(made.ExportCertificatePem()));
    }
}
