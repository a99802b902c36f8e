namespace Gantry.Node.Isolation;

/// <summary>The profile that QEMU runs under where the host has AppArmor and deploy/install.sh has loaded it.</summary>
internal static class AppArmor
{
    public const string Profile = "gantry-qemu";

    /// <summary>What is missing; null when the profile can be taken.</summary>
    public static string? WhyNot(string sys = "/sys")
    {
        try
        {
            return !File.Exists($"{sys}/module/apparmor/parameters/enabled") || File.ReadAllText($"{sys}/module/apparmor/parameters/enabled").Trim() != "Y"
                ? "this host's kernel runs without AppArmor"
                : File.ReadLines($"{sys}/kernel/security/apparmor/profiles").Any(l => l.StartsWith($"{Profile} (", StringComparison.Ordinal))
                    ? null
                    : $"the profile {Profile} is not loaded";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"its profiles cannot be read: {e.Message}";
        }
    }
}
