using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// A UEFI firmware of this host, found as every management program finds it: by the descriptions that distributions put
/// into /usr/share/qemu/firmware (QEMU's docs/interop/firmware.json).
/// </summary>
/// <param name="Code">The firmware itself, shared by all and only read.</param>
/// <param name="Variables">What an instance's own variable store begins as.</param>
/// <param name="NeedsSmm">Its variables are guarded by system management mode.</param>
internal sealed record UefiFirmware(string Code, string Variables, bool NeedsSmm)
{
    public const string Package = "ovmf (x86_64) or qemu-efi-aarch64";

    /// <summary>In the order in which a later one takes the place of an earlier.</summary>
    private static readonly string[] Folders = ["/usr/share/qemu/firmware", "/etc/qemu/firmware"];

    /// <returns>Null when this host has none that does.</returns>
    public static UefiFirmware? Find(Architecture architecture, bool secureBoot, IEnumerable<string>? folders = null) =>
        (folders ?? Folders).Where(Directory.Exists).SelectMany(Directory.GetFiles)
            .Where(f => f.EndsWith(".json", StringComparison.Ordinal))
            .GroupBy(Path.GetFileName).Select(g => g.Last())
            .OrderBy(Path.GetFileName, StringComparer.Ordinal)
            .Select(f => TryRead(f, architecture, secureBoot))
            .OfType<UefiFirmware>()
            .FirstOrDefault(f => File.Exists(f.Code) && File.Exists(f.Variables));

    private static UefiFirmware? TryRead(string path, Architecture architecture, bool secureBoot)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = json.RootElement;
            var features = Words(root.GetProperty("features"));
            var mapping = root.GetProperty("mapping");
            var fits = Words(root.GetProperty("interface-types")).Contains("uefi")
                && mapping.GetProperty("device").GetString() == "flash"
                && root.GetProperty("targets").EnumerateArray().Any(t => t.GetProperty("architecture").GetString() == NameOf(architecture))
                && features.Contains("enrolled-keys") == secureBoot
                && (!secureBoot || features.Contains("secure-boot"))

                // Without Secure Boot there is nothing to guard, and system management mode costs time.
                && (secureBoot || !features.Contains("requires-smm"));
            return fits ? new(Named("executable"), Named("nvram-template"), features.Contains("requires-smm")) : null;

            string Named(string what) => mapping.GetProperty(what) is var file && file.GetProperty("format").GetString() == "raw"
                ? file.GetProperty("filename").GetString() ?? throw new FormatException()
                : throw new FormatException();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null; // somebody else's file: it describes nothing for us
        }
    }

    private static string NameOf(Architecture architecture) => architecture.ToString().ToLowerInvariant();

    private static List<string?> Words(JsonElement list) => [.. list.EnumerateArray().Select(e => e.GetString())];
}
