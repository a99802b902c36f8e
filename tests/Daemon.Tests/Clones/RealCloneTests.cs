using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Clones;

/// <summary>Clones of a real guest that counts on its disk: a line in each block, flushed before the next.</summary>
public sealed partial class RealCloneTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private const string Counts = """
        n=$(tr -d '\000' </dev/vda | wc -l)
        echo "found $n."
        while :; do
            echo "line $n" | dd of=/dev/vda bs=4096 seek=$n conv=notrunc,fsync 2>/dev/null
            echo "wrote $n."
            n=$((n + 1))
        done
        """;

    [Fact]
    public async Task A_linked_clone_of_a_running_guest_goes_on_by_itself_and_outlives_its_parent_once_it_stands_alone()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        var parent = (await machines.LaunchAsync("parent", InstanceKind.Microvm, Counts, [new() { Name = "data", SizeBytes = 64 * Limits.MiB }])).Id;
        var before = await WroteAsync(machines, "parent", 5);
        await RunningDaemon.DoneAsync(machines.Api.CloneAsync("parent", null, new() { Name = "clone", Linked = true, StartNow = true }, 120));
        var after = await WroteAsync(machines, "parent", before);

        // It has all that was flushed when it was asked for, and nothing of what the parent wrote later.
        var found = await FoundAsync(machines, "clone");
        found.ShouldBeInRange(before + 1, after + 2);
        await WroteAsync(machines, "parent", found + 3);
        await WroteAsync(machines, "clone", found + 3);
        (await machines.Api.GetInstanceAsync("clone")).Parent.ShouldBe(new InstanceParent(parent, "parent"));

        var refusal = await RunningDaemon.RefusedAsync(() => machines.Api.DeleteInstanceAsync("parent", force: true, 60));
        (refusal.Code, refusal.Message.Contains("clone", StringComparison.Ordinal)).ShouldBe(("clone.stands_on_it", true));

        // The daemon is killed in the middle of both, while both guests write.
        await KilledAsync(machines, "clone", "instance.promote:1:after", api => api.PromoteInstanceAsync("clone", 60));
        await KilledAsync(machines, "copy", "instance.clone:2:after", api => api.CloneAsync("parent", null, new() { Name = "copy" }, 60));
        Directory.GetDirectories($"{machines.Root}/data/instances/{parent}/snapshots").ShouldBeEmpty();

        var last = await WroteAsync(machines, "clone", await WroteAsync(machines, "clone") + 3);
        await RunningDaemon.DoneAsync(machines.Api.DeleteInstanceAsync("parent", force: true, 120));
        await WroteAsync(machines, "clone", last + 3);

        // Started anew, each finds all its lines.
        await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync("clone", InstanceAction.Stop, 120));
        last = Numbers(Wrote(), await SaidAsync(machines, "clone")).Last();
        foreach (var (name, least) in ((string, int)[])[("clone", last + 1), ("copy", found)])
        {
            await CheckAsync(machines, (await machines.Api.GetInstanceAsync(name)).Id);
            await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync(name, InstanceAction.Start, 120));
            (await FoundAsync(machines, name, name == "clone" ? 1 : 0)).ShouldBeGreaterThanOrEqualTo(least, name);
        }

        await machines.DeleteAsync("clone", "copy");
    }

    /// <summary>One layer, which stands alone and is whole.</summary>
    private static async Task CheckAsync(RealMachines machines, Id<Instance> id)
    {
        var file = Directory.GetFiles($"{machines.Root}/data/pools/local/{id}/data").ShouldHaveSingleItem();
        await new Node.Host.Shell(TimeProvider.System).RunAsync(new("qemu-img", ["check", "-q", "-f", "qcow2", file], TimeSpan.FromMinutes(2)), default);
    }

    private static async Task KilledAsync(RealMachines machines, string target, string at, Func<ApiClient, Task> begin)
    {
        await machines.Daemon.KillAsync();
        await machines.Daemon.StartAsync($"kill:{at}");
        await Eventually.ShouldBeAsync(async () => (await machines.Api.GetHealthAsync()).Status, "ok");
        var asked = begin(machines.Api);
        await machines.Daemon.DeathAsync();
        (await Record.ExceptionAsync(() => asked)).ShouldNotBeNull();
        await machines.Daemon.StartAsync();
        await Eventually.ShouldBeAsync(async () => (await machines.Api.GetHealthAsync()).Status, "ok");
        var operation = (await machines.Api.ListOperationsAsync($"?limit=1&target={target}")).Items.ShouldHaveSingleItem();
        operation.Kind.ShouldBe(at.Split(':')[0]);
        await RunningDaemon.DoneAsync(machines.Api.GetOperationAsync(operation.Id, 120));
    }

    private static async Task<int> WroteAsync(RealMachines machines, string name, int least = 0)
    {
        var last = -1;
        await Eventually.ShouldBeAsync(async () => (last = Numbers(Wrote(), (await SaidAsync(machines, name)).Split("found ")[^1]).LastOrDefault(-1)) >= least, true);
        return last;
    }

    private static async Task<int> FoundAsync(RealMachines machines, string name, int start = 0)
    {
        var found = new List<int>();
        await Eventually.ShouldBeAsync(async () => (found = [.. Numbers(Found(), await SaidAsync(machines, name))]).Count > start, true);
        return found[start];
    }

    private static async Task<string> SaidAsync(RealMachines machines, string name) => (await machines.Api.GetLogsAsync(name, Limits.LogBytes)).Text;

    private static IEnumerable<int> Numbers(Regex what, string text) => what.Matches(text).Select(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"wrote ([0-9]+)\.", RegexOptions.CultureInvariant)]
    private static partial Regex Wrote();

    [GeneratedRegex(@"found ([0-9]+)\.", RegexOptions.CultureInvariant)]
    private static partial Regex Found();
}
