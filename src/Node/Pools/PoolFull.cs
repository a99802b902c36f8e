using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

/// <summary>Tells a full file system from other failures.</summary>
internal static class PoolFull
{
    private const int Linux = 28, Quota = 122; // ENOSPC and EDQUOT, as .NET carries them in HResult

    public static bool Is(Exception e) => e switch
    {
        CommandFailed failed => Says(failed.Errors) || Says(failed.Message),
        IOException io => io.HResult is Linux or Quota,
        Refusal refusal => refusal.Code == "image.no_space",
        _ => false,
    };

    private static bool Says(string words) =>
        words.Contains("No space left on device", StringComparison.Ordinal) || words.Contains("out of space", StringComparison.Ordinal) || words.Contains("quota exceeded", StringComparison.OrdinalIgnoreCase);
}
