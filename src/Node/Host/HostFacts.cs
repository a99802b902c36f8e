using System.Globalization;
using System.Runtime.InteropServices;

namespace Gantry.Node.Host;

/// <summary>What this machine is, read once.</summary>
/// <param name="MemoryBytes">All of it, as the kernel sees it.</param>
/// <param name="ClockKhz">Of the first processor now; 0 where /proc/cpuinfo does not say.</param>
/// <param name="HasVirtualisation">The processor says vmx or svm.</param>
public sealed record HostFacts(string Name, int Cpus, long MemoryBytes, string Kernel, string Architecture, int ClockKhz, bool HasVirtualisation)
{
    /// <summary>What its guests are when nobody says.</summary>
    public Contracts.Architecture Guest => Architecture == "aarch64" ? Contracts.Architecture.Aarch64 : Contracts.Architecture.X86_64;

    /// <summary>Another one after each restart of the machine.</summary>
    public static Guid BootId { get; } = Guid.Parse(File.ReadAllText("/proc/sys/kernel/random/boot_id"));

    public static HostFacts Read()
    {
        var cpu = File.ReadLines("/proc/cpuinfo").TakeWhile(l => l.Length > 0).ToList();
        return new(
            Environment.MachineName.ToLowerInvariant(),
            Environment.ProcessorCount,
            long.Parse(Value(File.ReadLines("/proc/meminfo"), "MemTotal").Split(' ')[0], CultureInfo.InvariantCulture) * 1024,
            File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
            RuntimeInformation.OSArchitecture switch
            {
                System.Runtime.InteropServices.Architecture.X64 => "x86_64",
                System.Runtime.InteropServices.Architecture.Arm64 => "aarch64",
                var other => other.ToString().ToLowerInvariant(),
            },
            double.TryParse(Value(cpu, "cpu MHz"), CultureInfo.InvariantCulture, out var mhz) ? (int)(mhz * 1000) : 0,
            Value(cpu, "flags").Split(' ').Any(f => f is "vmx" or "svm"));
    }

    private static string Value(IEnumerable<string> lines, string key) =>
        lines.Where(l => l.StartsWith(key, StringComparison.Ordinal)).Select(l => l[(l.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()).FirstOrDefault("");
}
