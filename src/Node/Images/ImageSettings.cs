namespace Gantry.Node.Images;

/// <summary>What an administrator allows of images.</summary>
/// <param name="MaxBytes">Of a file that is taken in, and of what a guest sees of its disk.</param>
/// <param name="LinkLocal">Whether a disk may be fetched from a link-local address.</param>
public sealed record ImageSettings(long MaxBytes, bool LinkLocal)
{
    public static ImageSettings Default { get; } = new(1L << 40, false);

    /// <summary>How long a server may be silent, and how often it is asked again when it breaks off without having sent anything new.</summary>
    public DownloadPatience Patience { get; init; } = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(2), 6);
}

public sealed record DownloadPatience(TimeSpan Silence, TimeSpan Pause, int Tries);
