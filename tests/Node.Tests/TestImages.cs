using System.Collections.Concurrent;
using Gantry.Contracts;
using Gantry.Node.Images;

[assembly: AssemblyFixture(typeof(Gantry.Node.Tests.TestImages))]
[assembly: CollectionBehavior(MaxParallelThreads = 2)]

namespace Gantry.Node.Tests;

/// <summary>The image micro, built once for a test run; its packages come from the machine's cache.</summary>
public sealed class TestImages : IAsyncLifetime
{
    /// <summary>On the kernel command line: a guest that powers itself off as soon as it runs.</summary>
    public const string PowerOff = "quiet rdinit=/bin/sh -- -c \"poweroff -f\"";

    private readonly TestRoot _root = new();
    private readonly Id<Image> _id = Id<Image>.New();
    private readonly TestRoot _lender = new();
    private readonly ConcurrentDictionary<string, Lazy<Task<Id<Image>>>> _others = [];

    internal TestRoot Root => _root;

    public ImageFiles Files { get; private set; } = null!;

    public IReadOnlyList<Progress> Reported { get; private set; } = [];

    public string Kernel => ImageFolders.Kernel(_root.Context.Root, _id);

    public string Initrd => ImageFolders.Initrd(_root.Context.Root, _id);

    public async ValueTask InitializeAsync()
    {
        if (InGuest.Guest.IsHere)
        {
            return; // no virtual machines in one
        }

        var reported = new List<Progress>();
        Files = await BuildAgainAsync(reported.Add);
        Reported = reported;
    }

    public async Task<ImageFiles> BuildAgainAsync(Action<Progress> report)
    {
        await using var node = new LocalNode(_root.Context);
        return await node.BuildImageAsync(_id, "micro", report, CancellationToken.None);
    }

    /// <summary>Another image, made at the first call, for an instance in another root.</summary>
    internal async Task<Id<Image>> LendAsync(string recipe, TestRoot to)
    {
        var id = await _others.GetOrAdd(recipe, name => new(() => BuildOtherAsync(name))).Value;
        Directory.CreateSymbolicLink(ImageFolders.Path(to.Context.Root, id), ImageFolders.Path(_lender.Context.Root, id));
        return id;
    }

    private async Task<Id<Image>> BuildOtherAsync(string recipe)
    {
        var id = Id<Image>.New();
        await using var node = new LocalNode(_lender.Context);
        await node.BuildImageAsync(id, recipe, _ => { }, CancellationToken.None);
        return id;
    }

    public async ValueTask DisposeAsync()
    {
        await _root.DisposeAsync();
        await _lender.DisposeAsync();
    }
}
