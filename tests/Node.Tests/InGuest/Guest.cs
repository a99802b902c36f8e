using Gantry.Node.Host;

namespace Gantry.Node.Tests.InGuest;

/// <summary>For suites that run in the guest of <see cref="DebianGuest"/>, where all is theirs.</summary>
internal static class Guest
{
    public static bool IsHere { get; } = File.Exists("/brought/suite");

    public static IShell Shell { get; } = new Shell(TimeProvider.System);

    /// <summary>Makes what a suite needs.</summary>
    /// <param name="script">For /bin/sh.</param>
    public static async Task PrepareAsync(string script)
    {
        if (!IsHere)
        {
            throw new InvalidOperationException("This changes the machine it runs on, and only runs in a guest: `./dev test --in-guest SUITE`.");
        }

        await Shell.RunAsync(new("/bin/sh", ["-e", "-c", script], TimeSpan.FromMinutes(20)), default);
    }
}
