using System.Globalization;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Node.Host;

/// <summary>
/// The user ids that guests of one root run under: a block of 10,000 above what systemd and useradd hand out.
/// The system's root has the first block; every other root claims one for itself by a file under /run,
/// so daemons side by side never share an id. A claim whose root is gone may be taken over.
/// </summary>
public sealed record UidRange(int First)
{
    public const int Count = 10_000;

    /// <summary>The last of them are no guest's: <see cref="ToolUids"/> lends them out.</summary>
    public const int ForTools = 100;

    private const int Base = 1_900_000_000;
    private const int Blocks = 1_000;
    private const int ToTpm = 2 * Blocks * Count;
    private const string Claims = "/run/gantry-uids";

    public static UidRange Claim(GantryRoot root, string claims = Claims)
    {
        if (root.IsSystem)
        {
            return new(Base);
        }

        Directory.CreateDirectory(claims);
        using var onlyMe = Posix.Locked($"{claims}/lock");
        var mine = Encoding.UTF8.GetBytes(root.Path);
        var wish = (int)(Fnv(mine) % (Blocks - 1));
        for (var i = 0; i < Blocks - 1; i++)
        {
            var block = 1 + ((wish + i) % (Blocks - 1));
            var claim = string.Create(CultureInfo.InvariantCulture, $"{claims}/{block}");
            if (File.Exists(claim) && File.ReadAllText(claim) is var owner && owner != root.Path && Directory.Exists(owner))
            {
                continue;
            }

            AtomicFile.Write(claim, mine);
            return new(Base + (block * Count));
        }

        throw Refusal.Unavailable("node.uids_used_up", $"All {Blocks} blocks of user ids are claimed under {claims}.", "Remove the roots that are no longer used.");
    }

    /// <summary>Gives a root's block back; nothing of it may run any more.</summary>
    internal static void Release(GantryRoot root, string claims = Claims)
    {
        using var onlyMe = Posix.Locked($"{claims}/lock");
        foreach (var claim in Directory.GetFiles(claims).Where(f => Path.GetFileName(f) != "lock" && File.ReadAllText(f) == root.Path))
        {
            File.Delete(claim);
        }
    }

    /// <summary>The user a guest's TPM runs under: in a range of their own, beside that of the guests.</summary>
    public static int TpmOf(int uid) => uid + ToTpm;

    /// <summary>The lowest id for guests that is not among <paramref name="taken"/>.</summary>
    public int Next(IReadOnlySet<int> taken)
    {
        for (var uid = First; uid < First + Count - ForTools; uid++)
        {
            if (!taken.Contains(uid))
            {
                return uid;
            }
        }

        throw Refusal.Unavailable("node.uids_used_up", $"All {Count - ForTools} user ids of this node are in use.", "Delete instances that are no longer needed.");
    }

    /// <summary>FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/): only spreads the first guesses.</summary>
    private static uint Fnv(ReadOnlySpan<byte> bytes)
    {
        var hash = 2166136261u;
        foreach (var b in bytes)
        {
            hash = (hash ^ b) * 16777619u;
        }

        return hash;
    }
}
