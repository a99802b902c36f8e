using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Instances;

/// <summary>The discs that Gantry makes of an instance's settings, as files in its folder that only root may read: QEMU gets them opened.</summary>
internal sealed class GeneratedDiscs(GantryRoot root, IShell shell, ToolUids uids)
{
    private const string Label = "GANTRY_ANSWERS";
    private const int PasswordLength = 20;
    private const string PasswordCharacters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

    // Of xorriso, which holds no more than the tables of a disc with one file.
    private const long MemoryBytes = 512 * Limits.MiB;
    private const long LargestDisc = 8 * Limits.MiB;
    private const UnixFileMode OnlyOwner = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    // The application identifier in the primary volume descriptor (ECMA-119, 8.4.22).
    private const int OffsetOfApplication = (16 * 2048) + 574;
    private const int LengthOfApplication = 128;

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    public static string PathOf(GantryRoot root, Id<Instance> id, GeneratedDisc disc) => disc switch
    {
        GeneratedDisc.WindowsAnswers => $"{root.Instances}/{id}/answers.iso",
        _ => throw new ArgumentOutOfRangeException(nameof(disc)),
    };

    /// <summary>Makes those that the instance names; one that says already what it should is kept, with its password, and one no longer named goes.</summary>
    /// <exception cref="Refusal"><c>volume.not_made</c></exception>
    public async Task EnsureAsync(InstanceSpec spec, CancellationToken ct)
    {
        var path = PathOf(root, spec.Id, GeneratedDisc.WindowsAnswers);
        if ((spec.Volumes ?? []).All(v => v.Generated != GeneratedDisc.WindowsAnswers))
        {
            File.Delete(path);
            return;
        }

        var setup = spec.Windows ?? new();
        var mark = $"GANTRY {Convert.ToHexString(SHA256.HashData(WindowsAnswers.Write(setup, spec.Name, "")))}";
        if (MarkOf(path) != mark)
        {
            // Of letters and digits 20 times: Windows' rules want three kinds of characters.
            var password = $"{RandomNumberGenerator.GetString(PasswordCharacters, PasswordLength)}Aa9";
            await MakeAsync(path, mark, WindowsAnswers.Write(setup, spec.Name, password), ct);
        }
    }

    private async Task MakeAsync(string path, string mark, byte[] answers, CancellationToken ct)
    {
        var workshop = $"{path}.new";
        Clear(workshop);
        try
        {
            using var loan = uids.Borrow();
            Directory.CreateDirectory(workshop, OnlyOwner | UnixFileMode.UserExecute);
            var (file, disc) = ($"{workshop}/{WindowsAnswers.FileName}", $"{workshop}/disc");
            AtomicFile.Write(file, answers);
            Posix.Chown(file, loan.Uid, loan.Uid);
            Posix.Chown(workshop, loan.Uid, loan.Uid);
            await shell.RunAsync(new("xorriso",
                ["-as", "mkisofs", "-quiet", "-V", Label, "-appid", mark, "-J", "-R", "-graft-points", "-o", disc, $"{WindowsAnswers.FileName}={file}"], Deadline)
            {
                Confinement = new(loan.Uid, MemoryBytes, LargestDisc, Deadline),
                EndsWithDaemon = true,
            }, ct);
            Posix.Chown(disc, 0, 0);
            File.SetUnixFileMode(disc, OnlyOwner);
            File.Move(disc, path, overwrite: true);
            Posix.SyncDirectory(Path.GetDirectoryName(path)!);
        }
        catch (CommandFailed e)
        {
            throw Refusal.Unavailable("volume.not_made", $"The disc with the answers for Windows' setup could not be made: {e.Message}",
                e.ExitCode == 127 ? "`apt-get install xorriso`" : "See that there is room under the data directory, and try again.");
        }
        finally
        {
            Clear(workshop);
        }
    }

    /// <summary>What a disc says of itself; null when there is none.</summary>
    private static string? MarkOf(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var text = new byte[LengthOfApplication];
            file.Position = OffsetOfApplication;
            file.ReadExactly(text);
            return Encoding.ASCII.GetString(text).TrimEnd();
        }
        catch (Exception e) when (e is FileNotFoundException or EndOfStreamException)
        {
            return null;
        }
    }

    private static void Clear(string workshop)
    {
        if (Directory.Exists(workshop))
        {
            Directory.Delete(workshop, recursive: true);
        }
    }
}
