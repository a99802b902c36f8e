namespace Gantry.Bench;

internal static class Statistics
{
    /// <summary>The nearest-rank percentile: a value that was really seen.</summary>
    public static double Percentile(IEnumerable<double> values, double percent)
    {
        var sorted = values.Order().ToList();
        return sorted[Math.Clamp((int)Math.Ceiling(percent / 100 * sorted.Count) - 1, 0, sorted.Count - 1)];
    }
}
