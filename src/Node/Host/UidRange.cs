using System.Globalization;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Node.Host;

/// <summary>
/// The user ids of one root: for guests, for their TPMs, for tools, and for what serves its networks. By itself each root has a block of 10,000 above what systemd
/// and useradd hand out: the system's root the first; every other claims one by a file under /run, so daemons side by side never share
/// an id. A claim whose root is gone is swept away by the next. A range from the configuration is claimed in the same way.
/// </summary>
/// <param name="Guests">Ids of guests, from <paramref name="First"/> on.</param>
/// <param name="FirstTpm">Of as many for the guests' TPMs, in the same order.</param>
/// <param name="FirstTool">Of those that are lent to tools (<see cref="ToolUids"/>).</param>
public sealed record UidRange(int First, int Guests, int FirstTpm, int FirstTool, int Tools)
{
    private const int BlockSize = 10_000;
    private const int ToolsOfBlock = 100;
    private const int Base = 1_900_000_000;
    private const int Blocks = 1_000;
    private const int ToNetworks = Blocks * BlockSize;
    private const int ToTpm = 2 * Blocks * BlockSize;
    private const int NetworksOfRange = 1_000;
    private const string Claims = "/run/gantry-uids";

    /// <summary>Of those that networks' dnsmasq run under, as many as <see cref="Networks"/>.</summary>
    public int FirstNetwork { get; init; }

    public int Networks { get; init; }

    /// <summary>A block, whose networks and TPMs are in ranges beside that of all blocks.</summary>
    public static UidRange Block(int first) =>
        new(first, BlockSize - ToolsOfBlock, first + ToTpm, first + BlockSize - ToolsOfBlock, ToolsOfBlock) { FirstNetwork = first + ToNetworks, Networks = BlockSize };

    /// <summary>A range that holds it all: half of it guests, then their TPMs, a tenth but at most 100 for tools, a tenth but at most 1,000 for networks.</summary>
    public static UidRange Of(IdRange range)
    {
        var count = range.Last - range.First + 1;
        var tools = Math.Min(ToolsOfBlock, count / 10);
        var networks = Math.Min(NetworksOfRange, count / 10);
        var guests = (count - tools - networks) / 2;
        return new(range.First, guests, range.First + guests, range.First + (2 * guests), tools) { FirstNetwork = range.First + (2 * guests) + tools, Networks = networks };
    }

    /// <param name="configured">Null for a block.</param>
    /// <exception cref="Refusal"><c>node.uids_taken</c>, <c>node.uids_used_up</c></exception>
    public static UidRange Claim(GantryRoot root, IdRange? configured = null, string claims = Claims)
    {
        if (configured is null && root.IsSystem)
        {
            return Block(Base);
        }

        Directory.CreateDirectory(claims);
        using var onlyMe = Posix.Locked($"{claims}/lock");
        var mine = Encoding.UTF8.GetBytes(root.Path);
        foreach (var stale in Directory.GetFiles(claims).Where(f => Path.GetFileName(f) != "lock" && !Directory.Exists(File.ReadAllText(f))))
        {
            File.Delete(stale);
        }

        var others = OfOthers(root, claims);
        if (configured is not null)
        {
            if (others.FirstOrDefault(configured.Overlaps) is { } other)
            {
                throw Refusal.Conflict("node.uids_taken", $"The user ids {configured} overlap with {other}, which belong to {other.Of}.", "Set another range with `instances.uids`.");
            }

            AtomicFile.Write($"{claims}/{configured}", mine);
            return Of(configured);
        }

        var wish = (int)(Fnv(mine) % (Blocks - 1));
        for (var i = 0; i < Blocks - 1; i++)
        {
            var block = 1 + ((wish + i) % (Blocks - 1));
            if (RangesOf(block, "").All(r => !others.Any(r.Overlaps)))
            {
                AtomicFile.Write(string.Create(CultureInfo.InvariantCulture, $"{claims}/{block}"), mine);
                return Block(Base + (block * BlockSize));
            }
        }

        throw Refusal.Unavailable("node.uids_used_up", $"All {Blocks} blocks of user ids are claimed under {claims}.", "Remove the roots that are no longer used.");
    }

    /// <summary>The user a guest's TPM runs under, where its specification names none (those from before it could): in the range beside the blocks'.</summary>
    public static int TpmOf(int uid) => uid + ToTpm;

    /// <summary>The lowest free id for a guest, and the one for its TPM.</summary>
    /// <param name="taken">By guests, TPMs and processes of any kind.</param>
    /// <exception cref="Refusal"><c>node.uids_used_up</c></exception>
    public (int Guest, int Tpm) Next(IReadOnlySet<int> taken)
    {
        for (var i = 0; i < Guests; i++)
        {
            if (!taken.Contains(First + i) && !taken.Contains(FirstTpm + i))
            {
                return (First + i, FirstTpm + i);
            }
        }

        throw Refusal.Unavailable("node.uids_used_up", $"All {Guests} user ids of this node are in use.", "Delete instances that are no longer needed, or set a larger range with `instances.uids`.");
    }

    /// <summary>What other roots have claimed; the system's block is its own, claimed or not.</summary>
    private static List<IdRange> OfOthers(GantryRoot root, string claims)
    {
        var others = root.IsSystem ? [] : RangesOf(0, "the system's daemon").ToList();
        foreach (var claim in Directory.GetFiles(claims).Where(f => Path.GetFileName(f) is not "lock"))
        {
            var owner = File.ReadAllText(claim);
            if (owner != root.Path)
            {
                others.AddRange(
                    IdRange.Parse(Path.GetFileName(claim)) is { } range ? [range with { Of = $"the daemon of {owner}" }]
                    : int.TryParse(Path.GetFileName(claim), CultureInfo.InvariantCulture, out var block) ? RangesOf(block, $"the daemon of {owner}") : []);
            }
        }

        return others;
    }

    private static IdRange[] RangesOf(int block, string owner) =>
        [.. ((int[])[Base, Base + ToNetworks, Base + ToTpm]).Select(start => start + (block * BlockSize)).Select(first => new IdRange(first, first + BlockSize - 1, owner))];

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
