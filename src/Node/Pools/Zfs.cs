using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

/// <summary>The one door to <c>zfs</c>.</summary>
internal sealed class Zfs(IShell shell, TimeProvider time)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan LetsGoWithin = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Runs it; again for a while where a data set that was just unmounted is not let go of yet.</summary>
    /// <exception cref="CommandFailed"/>
    public async Task<string> RunAsync(CancellationToken ct, params IReadOnlyList<string> arguments)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                return (await shell.RunAsync(new("zfs", arguments, Deadline), ct)).Output;
            }
            catch (CommandFailed e) when (e.Errors.Contains("dataset is busy", StringComparison.Ordinal) && time.GetElapsedTime(began) < LetsGoWithin)
            {
                await Task.Delay(Pause, time, ct);
            }
        }
    }

    /// <summary>The lines of a list, each cut into its columns; none when there is no such data set.</summary>
    public async Task<IReadOnlyList<string[]>> ListAsync(CancellationToken ct, params IReadOnlyList<string> arguments)
    {
        try
        {
            return [.. (await RunAsync(ct, arguments)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t'))];
        }
        catch (CommandFailed e) when (IsMissing(e))
        {
            return [];
        }
    }

    /// <summary>Gives a data set another name, while nobody has it open; it is not mounted then.</summary>
    public async Task RenameAsync(string from, string to, CancellationToken ct)
    {
        try
        {
            await RunAsync(ct, "unmount", from);
        }
        catch (CommandFailed e) when (e.Errors.Contains("not currently mounted", StringComparison.Ordinal))
        {
        }

        await RunAsync(ct, "rename", from, to);
    }

    public static bool IsMissing(CommandFailed e) => e.Errors.Contains("does not exist", StringComparison.Ordinal) || e.Errors.Contains("could not find any snapshots", StringComparison.Ordinal);

    /// <summary>What a pool of this kind may be called: a data set's path, whose parts begin with a letter or digit.</summary>
    public static bool IsDataSet(string name) =>
        name.Length is > 0 and <= 128 && name.Split('/').All(p => p.Length > 0 && char.IsAsciiLetterOrDigit(p[0]) && p.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'));
}
