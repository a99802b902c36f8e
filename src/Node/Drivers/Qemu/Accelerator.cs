using Gantry.Node.Host;
using Microsoft.Win32.SafeHandles;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>What executes the guest's instructions.</summary>
/// <param name="Name"><c>kvm</c> or <c>tcg</c>.</param>
/// <param name="Group">The group QEMU needs to open /dev/kvm itself; it can neither be handed over nor opened without.</param>
/// <param name="Reason">Why it is not KVM.</param>
internal sealed record Accelerator(string Name, int? Group = null, string? Reason = null)
{
    private const UnixFileMode ForGroup = UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
    private const UnixFileMode ForAll = UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>
    /// KVM only where the device opens and the processor has the flag: some hosts offer the device without it,
    /// and a guest's kernel then hangs for ever.
    /// </summary>
    public static Accelerator Choose(HostFacts host, string device = "/dev/kvm")
    {
        if (!host.HasVirtualisation)
        {
            return Tcg("the processor offers no hardware virtualisation (no vmx or svm flag)");
        }

        try
        {
            using SafeFileHandle opened = File.OpenHandle(device, FileMode.Open, FileAccess.ReadWrite);
            var mode = File.GetUnixFileMode(opened);
            return mode.HasFlag(ForAll) ? new("kvm")
                : mode.HasFlag(ForGroup) && Posix.FactsOf(device).Group is var group and > 0 ? new("kvm", group)
                : Tcg($"only root may open {device}: give it to the group kvm with mode 0660");
        }
        catch (FileNotFoundException)
        {
            return Tcg($"there is no {device}: the kernel's module kvm_intel or kvm_amd is not loaded");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Tcg($"{device} cannot be opened: {e.Message}");
        }
    }

    private static Accelerator Tcg(string why) => new("tcg", Reason: $"Guests run under TCG, several times slower than with KVM: {why}.");
}
