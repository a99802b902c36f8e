using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Instances;

/// <summary>
/// The discs that Gantry makes of an instance's settings, as files in its folder that only root may read: QEMU gets them opened.
/// A new one takes the place of the old at once and whole; a guest that runs keeps the one it was started with.
/// </summary>
internal sealed class GeneratedDiscs(GantryRoot root)
{
    private const string AnswersLabel = "GANTRY_ANSWERS";
    private const int PasswordLength = 20;
    private const string PasswordCharacters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

    public static string PathOf(GantryRoot root, Id<Instance> id, GeneratedDisc disc) => disc switch
    {
        GeneratedDisc.WindowsAnswers => $"{root.Instances}/{id}/answers.iso",
        GeneratedDisc.CloudInit => $"{root.Instances}/{id}/seed.iso",
        _ => throw new ArgumentOutOfRangeException(nameof(disc)),
    };

    /// <summary>Makes those that the instance has; one that says already what it should is kept, with its password, and one no longer wanted goes.</summary>
    /// <exception cref="Refusal"><c>volume.not_made</c></exception>
    public void Ensure(InstanceSpec spec)
    {
        EnsureSeed(spec);
        var path = PathOf(root, spec.Id, GeneratedDisc.WindowsAnswers);
        if ((spec.Volumes ?? []).All(v => v.Generated != GeneratedDisc.WindowsAnswers))
        {
            File.Delete(path);
            return;
        }

        var setup = spec.Windows ?? new();
        Ensure(path, AnswersLabel, MarkOf(WindowsAnswers.Write(setup, spec.Name, "")), () =>
        {
            // Of letters and digits 20 times: Windows' rules want three kinds of characters.
            var password = $"{RandomNumberGenerator.GetString(PasswordCharacters, PasswordLength)}Aa9";
            return [(WindowsAnswers.FileName, WindowsAnswers.Write(setup, spec.Name, password))];
        });
    }

    /// <summary>The same for the seed of cloud-init alone, which also says the instance's name and its NICs.</summary>
    /// <exception cref="Refusal"><c>volume.not_made</c></exception>
    public void EnsureSeed(InstanceSpec spec)
    {
        var path = PathOf(root, spec.Id, GeneratedDisc.CloudInit);
        if (spec.CloudInit is null)
        {
            File.Delete(path);
            return;
        }

        var files = CloudInitSeed.Files(spec);
        Ensure(path, CloudInitSeed.Label, MarkOf([.. files.SelectMany(f => (byte[])[.. SHA256.HashData(f.Content)])]), () => files);
    }

    private static void Ensure(string path, string label, string mark, Func<IReadOnlyList<(string Name, byte[] Content)>> files)
    {
        if (IsoImage.TryReadApplication(path) == mark)
        {
            return;
        }

        try
        {
            AtomicFile.Write(path, IsoImage.Write(label, mark, files()));
        }
        catch (IOException e)
        {
            throw Refusal.Unavailable("volume.not_made", $"{path} could not be made: {e.Message}", "See that there is room under the data directory, and try again.");
        }
    }

    private static string MarkOf(byte[] content) => $"GANTRY {Convert.ToHexString(SHA256.HashData(content))}";
}
