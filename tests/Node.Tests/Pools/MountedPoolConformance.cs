using Gantry.Contracts;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

/// <summary>What every pool on a file server keeps, beyond what every pool does.</summary>
public abstract class MountedPoolConformance(Func<NodeContext, NodeContext>? change = null) : PoolConformance(change)
{
    private const long Size = 16L * TestDisks.BlockBytes;

    private string Target => $"{Node.Root.Pools}/{PoolId}";

    private protected override IPool Reopen()
    {
        var pool = (DirPool)base.Reopen();
        pool.Written = Faults.Pass;
        return pool;
    }

    public override async ValueTask DisposeAsync()
    {
        try
        {
            await Pool.CloseAsync(default);
        }
        catch (Refusal)
        {
            // The test has closed it.
        }

        (await MountsAsync()).ShouldBeEmpty();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task It_is_mounted_once_and_nothing_on_it_is_run_or_taken_for_a_device()
    {
        await Pool.OpenAsync(default);
        await Reopen().LookAsync(default);

        var options = (await MountsAsync()).ShouldHaveSingleItem().Split(' ')[5].Split(',');
        ((string[])["nosuid", "nodev", "noexec"]).ShouldBeSubsetOf(options);
    }

    [Fact]
    public async Task What_is_no_longer_mounted_is_mounted_again_with_what_was_in_it()
    {
        await Pool.CreateAsync(Root, Size, null, default);
        await WriteAsync((Root, 3, 7));
        await Node.Shell.RunAsync(new("umount", ["-l", Target], TimeSpan.FromMinutes(1)), default);

        (await Reopen().LookAsync(default)).Healthy.ShouldBeTrue();
        (await ReadAsync(Root)).ShouldBe(Blocks((3, 7)));
    }

    [Fact]
    public async Task A_pool_that_is_closed_is_mounted_no_more()
    {
        await Pool.CloseAsync(default);

        (await MountsAsync()).ShouldBeEmpty();
        Directory.Exists(Target).ShouldBeFalse();
    }

    [Theory]
    [InlineData("-o:/x")]
    [InlineData("10.99.0.1:/disks,suid")]
    [InlineData("10.99.0.1:/a/../b")]
    [InlineData("//10.99.0.1/disks;x")]
    [InlineData("nowhere")]
    public async Task A_source_that_is_none_is_refused(string source)
    {
        var other = new NodePools(Node).Make(new(Id<Pool>.New(), Kind, source));

        (await ShouldRefuseAsync("pool.not_usable", () => other.OpenAsync(default))).Message.ShouldStartWith("The source cannot be a pool: it is not written as ");
        (await other.LookAsync(default)).Healthy.ShouldBeFalse();
    }

    private async Task<IReadOnlyList<string>> MountsAsync() =>
        [.. (await Node.Shell.RunAsync(new("cat", ["/proc/self/mountinfo"], TimeSpan.FromMinutes(1)), default)).Output.Split('\n').Where(l => l.Contains($"{Target} ", StringComparison.Ordinal))];
}
