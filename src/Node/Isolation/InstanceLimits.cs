namespace Gantry.Node.Isolation;

/// <summary>How much of the host the processes of one instance may have together.</summary>
/// <param name="SwapBytes">Of this host's swap, beside the memory.</param>
/// <param name="Tasks">Processes and threads.</param>
/// <param name="Cpus">Processors' worth of time; null for as much as there is.</param>
/// <param name="CpuWeight">1 to 10,000 against the others' 100.</param>
/// <param name="CpuSet">The processors it may run on, such as <c>0-3,8</c>.</param>
public sealed record InstanceLimits(long MemoryBytes, long SwapBytes, int Tasks, double? Cpus = null, int? CpuWeight = null, string? CpuSet = null)
{
    private const long MiB = 1 << 20;

    /// <summary>A worker for each of 64 requests to the disks, which is QEMU's most, the supervisor, swtpm, and as many again for migration and consoles.</summary>
    private const int TasksBesideCpus = 192;

    /// <param name="emulated">Without KVM.</param>
    /// <param name="hostMemory">All there is.</param>
    public static InstanceLimits Of(long guestMemory, int cpus, bool emulated, long hostMemory) =>
        new(guestMemory + Overhead(guestMemory, cpus, emulated, hostMemory), guestMemory, cpus + TasksBesideCpus);

    /// <summary>
    /// What QEMU takes beside the guest's memory, and room to spare: a guest that is killed for want of it is worse than one that
    /// could take some more. 2 ‰ are the page tables (8 bytes for 4 KiB), 8 MiB a processor its stack and state; these two as KubeVirt
    /// counts them (GetMemoryOverhead in its pkg/virt-controller). QEMU 7.2 itself, with its disks' buffers and swtpm, was seen with
    /// 60 to 110 MiB (docs/operate/isolation.md), so it has 256. TCG keeps translated code in a buffer of an eighth of the host's
    /// memory and at most 1 GiB (tcg/region.c), which fills as the guest runs.
    /// </summary>
    public static long Overhead(long guestMemory, int cpus, bool emulated, long hostMemory) =>
        (guestMemory / 512) + (cpus * 8 * MiB) + (256 * MiB) + (emulated ? Math.Min(1024 * MiB, hostMemory / 8) : 0);
}
