using Gantry.Contracts;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

/// <summary>A cluster none of whose monitors is there: nobody listens at that port.</summary>
public sealed class CephSilenceTests : IAsyncLifetime
{
    private readonly TestRoot _root = new();

    public ValueTask InitializeAsync()
    {
        var folder = Directory.CreateDirectory($"{_root.Context.Root.Etc}/credentials").FullName;
        File.WriteAllText($"{folder}/ceph", "[client.gantry]\n\tkey = AQDrUgJrOj0cOBAAIsAfX6FlGLAaRufeG+l3sQ==\n");
        File.SetUnixFileMode($"{folder}/ceph", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    [Fact]
    public async Task A_cluster_that_does_not_answer_holds_nothing_up_and_is_said_to_be_gone()
    {
        var pool = new NodePools(_root.Context).Make(new(Id<Pool>.New(), PoolKind.Ceph, "127.0.0.1:1/disks/a", new(Credentials: "ceph")));

        (await pool.LookAsync(default)).Healthy.ShouldBeFalse();
        (await Should.ThrowAsync<Refusal>(() => pool.OpenAsync(default))).Code.ShouldBe("pool.not_usable");
        (await Should.ThrowAsync<Refusal>(() => pool.FindAsync(new("a", "root"), default))).Code.ShouldBe("pool.gone");
    }

    [Theory]
    [InlineData("key = AQDrUgJrOj0cOBAAIsAfX6FlGLAaRufeG+l3sQ==")]
    [InlineData("[client.gantry]")]
    [InlineData("[client.--conf=x y]\nkey = AQDrUgJrOj0cOBAAIsAfX6FlGLAaRufeG+l3sQ==")]
    [InlineData("[client.a]\n[osd.0]\nkey = AQDrUgJrOj0cOBAAIsAfX6FlGLAaRufeG+l3sQ==")]
    public async Task What_is_no_keyring_is_refused_and_not_repeated(string text)
    {
        File.WriteAllText($"{_root.Context.Root.Etc}/credentials/ceph", text);
        var pool = new NodePools(_root.Context).Make(new(Id<Pool>.New(), PoolKind.Ceph, "127.0.0.1:1/disks/a", new(Credentials: "ceph")));

        var refusal = await Should.ThrowAsync<Refusal>(() => pool.OpenAsync(default));
        (refusal.Code, refusal.Message.Contains("AQB", StringComparison.Ordinal)).ShouldBe(("pool.not_usable", false));
    }
}
