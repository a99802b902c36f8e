using FsCheck;
using FsCheck.Fluent;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

public sealed class LayerTreeTests
{
    [Fact]
    public void Whatever_happens_each_snapshot_branch_and_clone_keeps_what_it_had() =>
        Prop.ForAll(HistoryStep.Histories, Holds).Check(Config.QuickThrowOnFailure.WithMaxTest(700).WithEndSize(80));

    [Fact]
    public void The_smaller_of_two_layers_is_written_into_the_other_while_a_guest_runs()
    {
        var tree = LayerTree.Of("a", 1).WithSnapshot("1", "b").WithSnapshot("2", "c").WithSnapshot("3", "d").WithoutSnapshot("1");

        tree.Next(l => l == "a" ? 9 : 1, isOpen: true).ShouldBe(new(LayerMerge.Commit, "b", "a"));
        tree.Next(l => l == "a" ? 1 : 9, isOpen: true).ShouldBe(new(LayerMerge.Stream, "b", "a"));
        tree.Next(l => l == "a" ? 1 : 9, isOpen: false).ShouldBe(new(LayerMerge.Commit, "b", "a"));
    }

    [Fact]
    public void The_top_of_a_running_guest_is_never_written_into_the_one_below()
    {
        var tree = LayerTree.Of("a", 1).WithSnapshot("1", "b").WithoutSnapshot("1");

        tree.Next(l => l == "a" ? 9 : 1, isOpen: true).ShouldBeNull();
        tree.WaitsForTop().ShouldBe("a");
        tree.WithTop("c").Next(l => l == "a" ? 9 : 1, isOpen: true).ShouldBe(new(LayerMerge.Commit, "b", "a"));
        tree.Next(l => l == "a" ? 9 : 1, isOpen: false).ShouldBe(new(LayerMerge.Commit, "b", "a"));
        tree.After(new(LayerMerge.Commit, "b", "a")).ShouldSatisfyAllConditions(t => t.Top.ShouldBe("a"), t => t.Layers.Keys.ShouldBe(["a"]));
    }

    [Fact]
    public void What_a_clone_reads_is_neither_written_nor_removed()
    {
        var tree = LayerTree.Of("a", 1).WithSnapshot("1", "b").WithSnapshot("2", "c").WithClone(new("b", "other", "root")).WithoutSnapshot("1");

        tree.Next(_ => 1, isOpen: false).ShouldBeNull();
        (tree with { Clones = [] }).Next(_ => 1, isOpen: false).ShouldBe(new(LayerMerge.Commit, "b", "a"));
    }

    private static bool Holds(List<HistoryStep> steps)
    {
        var (world, wanted) = (new World(), new World.Contents());
        foreach (var (step, at) in steps.Select((s, i) => (s, i)))
        {
            world.Do(step, $"{at}", wanted);
            world.Check(wanted);
        }

        world.Settle(isOpen: false, breaksOff: false);
        world.Check(wanted);
        world.CheckNothingToDo();
        return true;
    }

    /// <summary>Layers as tables of blocks, merged as the tree says; and what a disk without layers would have.</summary>
    private sealed class World
    {
        private readonly Dictionary<string, Dictionary<int, byte>> _files = new() { ["base"] = [] };
        private LayerTree _tree = LayerTree.Of("base", 1);

        public void Do(HistoryStep step, string fresh, Contents wanted)
        {
            var snapshots = _tree.Snapshots.Keys.Order(StringComparer.Ordinal).ToList();
            var snapshot = snapshots.Count == 0 ? null : snapshots[step.Which % snapshots.Count];
            switch (step.What)
            {
                case Happening.Write:
                    _files[_tree.Top][step.Which % 5] = step.Value;
                    wanted.Top = new(wanted.Top) { [step.Which % 5] = step.Value };
                    break;
                case Happening.Snapshot:
                    _files[fresh] = [];
                    _tree = _tree.WithSnapshot(fresh, fresh);
                    wanted.Snapshots[fresh] = wanted.Top;
                    break;
                case Happening.Restore when snapshot is not null:
                    _files[fresh] = [];
                    _tree = _tree.WithRestored(snapshot, fresh);
                    wanted.Top = wanted.Snapshots[snapshot];
                    break;
                case Happening.Delete when snapshot is not null && !_tree.HasClones(_tree.Snapshots[snapshot]):
                    _tree = _tree.WithoutSnapshot(snapshot);
                    wanted.Snapshots.Remove(snapshot);
                    Settle(step.IsOpen, step.BreaksOff);
                    break;
                case Happening.Clone when snapshot is not null:
                    _tree = _tree.WithClone(new(_tree.Snapshots[snapshot], fresh, "root"));
                    wanted.Clones[fresh] = wanted.Snapshots[snapshot];
                    break;
                case Happening.DropClone when _tree.Clones is { Count: > 0 } clones:
                    wanted.Clones.Remove(clones[step.Which % clones.Count].Owner);
                    _tree = _tree with { Clones = [.. clones.Where((_, i) => i != step.Which % clones.Count)] };
                    break;
                default:
                    break;
            }

            Sweep();
        }

        public void Settle(bool isOpen, bool breaksOff)
        {
            Sweep();
            while (_tree.Next(l => _files[l].Count, isOpen) is { } step)
            {
                (isOpen && step.Merge == LayerMerge.Commit && step.Upper == _tree.Top).ShouldBeFalse();
                var (from, to) = step.Merge == LayerMerge.Commit ? (step.Upper, step.Lower) : (step.Lower, step.Upper);
                foreach (var (block, value) in _files[from])
                {
                    if (step.Merge == LayerMerge.Commit || !_files[to].ContainsKey(block))
                    {
                        _files[to][block] = value;
                    }
                }

                if (breaksOff)
                {
                    return;
                }

                _tree = _tree.After(step);
                Sweep();
            }
        }

        public void Check(Contents wanted)
        {
            Read(_tree.Top).ShouldBe(wanted.Top, ignoreOrder: true);
            _tree.Snapshots.Keys.ShouldBe(wanted.Snapshots.Keys, ignoreOrder: true);
            foreach (var (snapshot, layer) in _tree.Snapshots)
            {
                Read(layer).ShouldBe(wanted.Snapshots[snapshot], ignoreOrder: true);
            }

            foreach (var clone in _tree.Clones)
            {
                Read(clone.Layer).ShouldBe(wanted.Clones[clone.Owner], ignoreOrder: true);
            }
        }

        public void CheckNothingToDo()
        {
            var needed = _tree.Snapshots.Values.Append(_tree.Top).Concat(_tree.Clones.SelectMany(c => _tree.From(c.Layer))).ToHashSet();
            _tree.Layers.Keys.Where(l => !needed.Contains(l) && _tree.ChildrenOf(l).Count(c => !_tree.IsFrozen(c)) == 1 && _tree.ChildrenOf(l).Count() == 1).ShouldBeEmpty();
        }

        private void Sweep()
        {
            foreach (var gone in _files.Keys.Except(_tree.Layers.Keys).ToList())
            {
                _files.Remove(gone);
            }
        }

        private Dictionary<int, byte> Read(string layer)
        {
            var all = new Dictionary<int, byte>();
            foreach (var each in _tree.From(layer))
            {
                foreach (var (block, value) in _files[each])
                {
                    all.TryAdd(block, value);
                }
            }

            return all;
        }

        internal sealed class Contents
        {
            public Dictionary<int, byte> Top { get; set; } = [];
            public Dictionary<string, Dictionary<int, byte>> Snapshots { get; } = [];
            public Dictionary<string, Dictionary<int, byte>> Clones { get; } = [];
        }
    }
}
