using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Instances;

/// <summary>The hook run by a shell that sees an /etc and a /var/lib of its own.</summary>
public sealed class MachineIdHookTests : IAsyncDisposable
{
    private const string Fresh = "0123456789abcdef0123456789abcdef";
    private static readonly Id<Instance> Source = Id<Instance>.New(), Clone = Id<Instance>.New();

    private readonly TestRoot _root = new();

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    [Fact]
    public async Task A_copy_gets_an_id_of_its_own_once()
    {
        var ids = await IdsAfterAsync(Source, Source, Clone, Clone);

        ids[..2].ShouldBe([Fresh, Fresh]);
        ids[2].ShouldMatch("^[0-9a-f]{32}$");
        ids[2].ShouldNotBe(Fresh);
        ids[3].ShouldBe(ids[2]);
    }

    [Fact]
    public async Task A_disk_without_a_note_keeps_its_id() => (await IdsAfterAsync(Clone)).ShouldBe([Fresh]);

    /// <summary>What /etc/machine-id says after a start of each of these from the same disk.</summary>
    private async Task<string[]> IdsAfterAsync(params IReadOnlyList<Id<Instance>> starts)
    {
        var folder = Directory.CreateDirectory($"{_root.Path}/hooks").FullName;
        foreach (var id in starts)
        {
            await File.WriteAllTextAsync($"{folder}/{id}", MachineIdHook.For(id));
        }

        const string disk = "mount -t tmpfs none /etc && mount -t tmpfs none /var/lib && mkdir -p /var/lib/cloud/data /var/lib/dbus && echo $0 >/etc/machine-id && cp /etc/machine-id /var/lib/dbus/machine-id";
        const string start = "for hook; do sh \"$hook\" && cmp /etc/machine-id /var/lib/dbus/machine-id && cat /etc/machine-id; done";
        var said = await new Shell(TimeProvider.System).RunAsync(
            new("unshare", ["--mount", "--propagation=private", "--", "sh", "-c", $"{disk} && {start}", Fresh, .. starts.Select(id => $"{folder}/{id}")], TimeSpan.FromMinutes(1)), default);
        return said.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
