using System.Diagnostics;

namespace Gantry.Bench;

/// <summary>What a benchmark changes of the machine it changes in namespaces of its own, which go with it.</summary>
internal static class Namespaces
{
    private const string Inside = "GANTRY_BENCH_NAMESPACE";

    /// <summary>Runs the benchmark of this name anew in a namespace, to its end, unless this is already it.</summary>
    /// <param name="kinds">As unshare(1) names them.</param>
    /// <param name="prepare">For /bin/sh in there, before the benchmark.</param>
    /// <returns>Whether this is the one in the namespace.</returns>
    public static async Task<bool> EnterAsync(string name, string kinds, string prepare, CancellationToken ct)
    {
        if (Environment.GetEnvironmentVariable(Inside) is not null)
        {
            return true;
        }

        var start = new ProcessStartInfo("unshare", [.. kinds.Split(' '), "--", "/bin/sh", "-c", $"set -e; {prepare}\nexec \"$0\" \"$1\"", Environment.ProcessPath!, name]);
        start.Environment[Inside] = "yes";
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync(ct);
        return process.ExitCode == 0 ? false : throw new InvalidOperationException($"The bench in its namespace ended with {process.ExitCode}.");
    }
}
