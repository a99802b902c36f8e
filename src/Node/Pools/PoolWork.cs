using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

/// <summary>What pools do with commands and files, whose failures are told as the pool's: a full file system apart from others.</summary>
internal static class PoolWork
{
    private const int Linux = 28, Quota = 122; // ENOSPC and EDQUOT, as .NET carries them in HResult

    /// <param name="place">The pool's, for people.</param>
    /// <param name="what">As <c>Making web1/root</c>.</param>
    /// <exception cref="Refusal"><c>pool.full</c>, <c>pool.failed</c></exception>
    public static async Task TryAsync(string place, string what, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception e) when (IsFull(e))
        {
            throw PoolErrors.Full(place);
        }
        catch (CommandFailed e)
        {
            throw PoolErrors.Failed(what, e.Message);
        }
    }

    private static bool IsFull(Exception e) => e switch
    {
        CommandFailed failed => Says(failed.Errors) || Says(failed.Message),
        IOException io => io.HResult is Linux or Quota,
        Refusal refusal => refusal.Code == "image.no_space",
        _ => false,
    };

    private static bool Says(string words) =>
        words.Contains("No space left on device", StringComparison.Ordinal) || words.Contains("out of space", StringComparison.Ordinal) || words.Contains("quota exceeded", StringComparison.OrdinalIgnoreCase);
}
