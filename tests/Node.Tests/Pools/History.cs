using FsCheck;
using FsCheck.Fluent;

namespace Gantry.Node.Tests.Pools;

/// <summary>What happens to a disk, one after another.</summary>
internal enum Happening
{
    Write = 0,
    Snapshot = 1,
    Restore = 2,
    Delete = 3,
    Clone = 4,
    DropClone = 5,
}

/// <param name="Which">Of the snapshots, clones or blocks there are, counted round.</param>
/// <param name="IsOpen">A guest has the disk open.</param>
/// <param name="BreaksOff">The first step of a merge is done and not written down.</param>
internal sealed record HistoryStep(Happening What, int Which, byte Value, bool IsOpen, bool BreaksOff)
{
    /// <summary>More of what makes a tree than of what takes from it.</summary>
    private static readonly Gen<HistoryStep> Any =
        from what in Gen.Frequency(
            (4, Gen.Constant(Happening.Write)), (4, Gen.Constant(Happening.Snapshot)), (2, Gen.Constant(Happening.Restore)),
            (3, Gen.Constant(Happening.Delete)), (1, Gen.Constant(Happening.Clone)), (1, Gen.Constant(Happening.DropClone)))
        from which in Gen.Choose(0, 1000)
        from value in Gen.Choose(1, 250)
        from open in Gen.Elements(true, false)
        from breaks in Gen.Elements(true, false)
        select new HistoryStep(what, which, (byte)value, open, breaks);

    public static Arbitrary<List<HistoryStep>> Histories { get; } = Gen.ListOf(Any).Select(l => l.ToList()).ToArbitrary();

    /// <summary>So many steps, the same ones each time.</summary>
    public static IEnumerable<HistoryStep> Sample(int seed, int steps)
    {
        var random = new Random(seed);
        for (var i = 0; i < steps; i++)
        {
            yield return new(
                random.Next(12) switch { < 4 => Happening.Write, < 7 => Happening.Snapshot, < 9 => Happening.Restore, < 11 => Happening.Delete, _ => Happening.Clone },
                random.Next(1000), (byte)random.Next(1, 250), false, false);
        }
    }
}
