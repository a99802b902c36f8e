using Gantry.Contracts;
using Gantry.Node.Drivers.Sim;
using Gantry.Node.Instances;
using Gantry.Node.Snapshots;

namespace Gantry.Node.Tests.Guests;

/// <summary>Snapshots for which a guest is brought to rest. What runs is the simulator's; the agent is a real one, or plays one.</summary>
public sealed class GuestFreezeTests : IAsyncLifetime
{
    private readonly TestRoot _root = new();
    private readonly Id<Instance> _id = Id<Instance>.New();
    private LocalNode? _node;
    private ScriptedAgent? _agent;

    private LocalNode Node => _node ??= new(_root.Context);

    private SimDriver Sim => (SimDriver)Node.Driver("sim");

    private string Mark => $"{_root.Context.Folders.Run(_id)}/frozen";

    private string Socket => $"{_root.Context.Folders.Run(_id)}/agent.sock";

    public async ValueTask InitializeAsync()
    {
        var disk = new VolumeSpec("data", VolumeDevice.Disk, null, null, Limits.MiB, VolumeBus.Virtio, VolumeCache.Writeback, ReadOnly: false);
        await Node.DefineAsync(new(_id, "web", InstanceKind.Microvm, "sim", 1, 128 * Limits.MiB, Firmware.Direct, "/boot/any", null, null, 0) { Volumes = [disk] }, default);
        await Node.StartAsync(_id, default);
    }

    public async ValueTask DisposeAsync()
    {
        if (_agent is not null)
        {
            await _agent.DisposeAsync();
        }

        await Node.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task A_real_agent_brings_a_real_file_system_to_rest_until_the_disks_are_kept()
    {
        await using var real = await RealAgent.StartAsync();
        File.CreateSymbolicLink(Socket, real.Socket);
        Task? writing = null;
        var waited = false;
        During("switchLayers", async () =>
        {
            writing = Task.Run(() => File.WriteAllTextAsync($"{real.Root}/fs/while-frozen", "x"));
            await Task.WhenAny(writing, Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System));
            waited = !writing.IsCompleted;
        });
        (await TakeAsync(SnapshotQuiesce.Required)).ShouldBe((SnapshotLevel.Filesystem, null, null));
        waited.ShouldBeTrue();
        await writing!.WaitAsync(TimeSpan.FromMinutes(1));
        File.Exists(Mark).ShouldBeFalse();
    }

    [Fact]
    public async Task Without_an_agent_or_with_one_that_refuses_it_is_as_after_a_power_cut_or_refused_where_rest_is_required()
    {
        (await TakeAsync(SnapshotQuiesce.Auto)).ShouldBe((SnapshotLevel.Crash, "no guest agent runs in it", null));
        var refusal = await Should.ThrowAsync<Refusal>(() => TakeAsync(SnapshotQuiesce.Required));
        (refusal.Code, refusal.Message).ShouldBe(("snapshot.not_quiesced", "The file systems of 'web' could not be brought to rest: no guest agent runs in it."));

        _agent = new(Socket, async (command, stream) =>
        {
            if (command == "guest-fsfreeze-freeze")
            {
                await ScriptedAgent.SayAsync(stream, "{\"error\": {\"desc\": \"a hook failed\"}}\n");
            }

            return command == "guest-fsfreeze-freeze";
        });
        (await TakeAsync(SnapshotQuiesce.Auto)).ShouldBe((SnapshotLevel.Crash, "the agent refused 'guest-fsfreeze-freeze': a hook failed", null));
        _agent.Commands.ShouldContain("guest-fsfreeze-thaw");
        File.Exists(Mark).ShouldBeFalse();
        _agent.Commands.Clear();
        (await TakeAsync(SnapshotQuiesce.Off)).ShouldBe((SnapshotLevel.Crash, null, null));
        await Node.PauseAsync(_id, default);
        (await TakeAsync(SnapshotQuiesce.Auto)).Why.ShouldBe("it is paused, so that nothing in it can answer");
        _agent.Commands.ShouldBeEmpty();
    }

    [Fact]
    public async Task File_systems_that_went_on_too_early_are_not_called_at_rest()
    {
        _agent = new(Socket, (_, _) => Task.FromResult(false));
        During("switchLayers", () => Task.FromResult(_agent.Frozen = false));
        (await TakeAsync(SnapshotQuiesce.Auto)).Level.ShouldBe(SnapshotLevel.Crash);
        (await Should.ThrowAsync<Refusal>(() => TakeAsync(SnapshotQuiesce.Required))).Code.ShouldBe("snapshot.not_quiesced");
    }

    [Fact]
    public async Task They_go_on_whatever_breaks_off_and_where_the_daemon_died_by_the_next()
    {
        _agent = new(Socket, (_, _) => Task.FromResult(false));
        During("switchLayers", () => _agent.Frozen ? throw new IOException("broken off") : Task.CompletedTask);
        await Should.ThrowAsync<IOException>(() => TakeAsync(SnapshotQuiesce.Auto));
        (_agent.Frozen, File.Exists(Mark)).ShouldBe((false, false));

        _agent.Frozen = true;
        await File.WriteAllBytesAsync(Mark, []);
        await Node.DisposeAsync();
        _node = null;
        await Node.RecoverAsync(default);
        (_agent.Frozen, File.Exists(Mark)).ShouldBe((false, false));
    }

    [Fact]
    public async Task An_agent_that_does_not_have_them_go_on_is_asked_again_and_told_of()
    {
        var deaf = true;
        _agent = new(Socket, (command, stream) =>
        {
            if (deaf && command == "guest-fsfreeze-thaw")
            {
                stream.Dispose();
                return Task.FromResult(true);
            }

            return Task.FromResult(false);
        });
        var (level, _, notThawed) = await TakeAsync(SnapshotQuiesce.Auto);
        (level, notThawed is not null, File.Exists(Mark)).ShouldBe((SnapshotLevel.Filesystem, true, true));
        _agent.Commands.Count(c => c == "guest-fsfreeze-thaw").ShouldBe(3);
        deaf = false;
        (await TakeAsync(SnapshotQuiesce.Auto)).ShouldBe((SnapshotLevel.Filesystem, null, null));
        (_agent.Frozen, File.Exists(Mark)).ShouldBe((false, false));
    }

    private void During(string call, Func<Task> what) => Sim.Before = (name, _, _) => name == call ? what() : Task.CompletedTask;

    private async Task<(SnapshotLevel? Level, string? Why, string? NotThawed)> TakeAsync(SnapshotQuiesce quiesce)
    {
        var record = (await Node.TakeSnapshotAsync(_id, Id<Snapshot>.New(), default, new SnapshotWish(Quiesce: quiesce))).Record;
        return (record.Level, record.NotQuiesced, record.NotThawed);
    }
}
