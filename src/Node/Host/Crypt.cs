using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Gantry.Node.Host;

/// <summary>Hashes of passwords as <c>/etc/shadow</c> has them, made by the host's libcrypt (crypt(3), crypt(5)).</summary>
public static partial class Crypt
{
    private const string SaltCharacters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private const int SaltLength = 16;

    // Of struct crypt_data: libxcrypt's has 32,768 bytes, glibc's of old 131,232.
    private const int SizeOfData = 256 << 10;

    public static string NewSalt() => RandomNumberGenerator.GetString(SaltCharacters, SaltLength);

    /// <summary>SHA-512 crypt with its usual 5,000 rounds, some milliseconds of work: <c>$6$SALT$HASH</c>.</summary>
    /// <param name="password">At most 511 bytes in UTF-8, and none of them 0.</param>
    /// <param name="salt">1 to 16 of <c>./0-9A-Za-z</c>.</param>
    /// <exception cref="InvalidOperationException">libcrypt refuses it.</exception>
    public static string Sha512(string password, string salt)
    {
        // What is returned points into data, which must not have moved when it is read.
        var (key, data) = (Encoding.UTF8.GetBytes($"{password}\0"), GC.AllocateArray<byte>(SizeOfData, pinned: true));
        try
        {
            var hash = Marshal.PtrToStringUTF8(crypt_r(ref MemoryMarshal.GetArrayDataReference(key), $"$6${salt}$", ref MemoryMarshal.GetArrayDataReference(data)));
            return hash?.StartsWith($"$6${salt}$", StringComparison.Ordinal) == true ? hash : throw new InvalidOperationException("libcrypt makes no SHA-512 hash of this");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(data);
        }
    }

    [LibraryImport("libcrypt.so.1", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint crypt_r(ref byte key, string setting, ref byte data);
}
