using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Clones;

/// <summary>Clones of a real guest that writes.</summary>
public sealed class RealCloneTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Fact]
    public async Task A_linked_clone_of_a_running_guest_goes_on_by_itself_and_outlives_its_parent_once_it_stands_alone()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        WritingGuest written = new(machines, "parent"), clone = new(machines, "clone");
        var parent = (await written.LaunchAsync()).Id;
        var before = await written.WroteAsync(5);
        await RunningDaemon.DoneAsync(machines.Api.CloneAsync("parent", null, new() { Name = "clone", Linked = true, StartNow = true }, 120));
        var after = await written.WroteAsync(before);

        // It has all that was flushed when it was asked for, and nothing of what the parent wrote later.
        var found = await clone.FoundAsync();
        found.ShouldBeInRange(before + 1, after + 2);
        await written.WroteAsync(found + 3);
        await clone.WroteAsync(found + 3);
        (await machines.Api.GetInstanceAsync("clone")).Parent.ShouldBe(new InstanceParent(parent, "parent"));

        var refusal = await RunningDaemon.RefusedAsync(() => machines.Api.DeleteInstanceAsync("parent", force: true, 60));
        (refusal.Code, refusal.Message.Contains("clone", StringComparison.Ordinal)).ShouldBe(("clone.stands_on_it", true));

        // The daemon is killed in the middle of both, while both guests write.
        await machines.KilledAsync("clone", "instance.promote:1:after", api => api.PromoteInstanceAsync("clone", 60));
        await machines.KilledAsync("copy", "instance.clone:2:after", api => api.CloneAsync("parent", null, new() { Name = "copy" }, 60));
        Directory.GetDirectories($"{machines.Root}/data/instances/{parent}/snapshots").ShouldBeEmpty();

        var last = await clone.WroteAsync(await clone.WroteAsync() + 3);
        await RunningDaemon.DoneAsync(machines.Api.DeleteInstanceAsync("parent", force: true, 120));
        await clone.WroteAsync(last + 3);

        // Started anew, each finds all its blocks.
        await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync("clone", InstanceAction.Stop, 120));
        last = await clone.WroteAsync();
        foreach (var (name, least) in ((string, int)[])[("clone", last + 1), ("copy", found)])
        {
            await CheckAsync(machines, (await machines.Api.GetInstanceAsync(name)).Id);
            var guest = new WritingGuest(machines, name);
            await guest.StartAsync();
            (await guest.FoundAsync(name == "clone" ? 1 : 0)).ShouldBeGreaterThanOrEqualTo(least, name);
        }

        await machines.DeleteAsync("clone", "copy");
    }

    /// <summary>One layer, which stands alone and is whole.</summary>
    private static async Task CheckAsync(RealMachines machines, Id<Instance> id)
    {
        var file = Directory.GetFiles($"{machines.Root}/data/pools/local/{id}/data").ShouldHaveSingleItem();
        await new Node.Host.Shell(TimeProvider.System).RunAsync(new("qemu-img", ["check", "-q", "-f", "qcow2", file], TimeSpan.FromMinutes(2)), default);
    }
}
