using Gantry.Contracts;

namespace Gantry.Daemon.Operations;

/// <summary>Works out how fast bytes are done, and how long the rest takes at that, where who reports says only how many.</summary>
internal sealed class ProgressRate(TimeProvider time)
{
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1);

    private string? _stage;
    private long _began;
    private (long First, long Last) _bytes;

    /// <param name="now">A timestamp of the clock's.</param>
    /// <returns>As it was in the first second of a stage, and where it says both itself.</returns>
    public Progress Of(Progress progress, long now)
    {
        if (progress.Bytes is not { } bytes || progress.BytesPerSecond is not null)
        {
            return progress;
        }

        if (progress.Stage != _stage || bytes < _bytes.Last)
        {
            (_stage, _began, _bytes) = (progress.Stage, now, (bytes, bytes));
            return progress;
        }

        _bytes.Last = bytes;
        var elapsed = time.GetElapsedTime(_began, now);
        if (elapsed < Least || bytes == _bytes.First)
        {
            return progress;
        }

        var rate = (bytes - _bytes.First) / elapsed.TotalSeconds;
        return progress with { BytesPerSecond = Math.Round(rate), SecondsLeft = progress.TotalBytes is { } total ? Math.Round(Math.Max(0, total - bytes) / rate, 1) : null };
    }
}
