using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Qemu;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>What the driver makes of what QEMU says: events are hints, QEMU is asked.</summary>
public sealed class QemuGuestTests : IAsyncDisposable
{
    private readonly FakeQemu _qemu = new();

    public ValueTask DisposeAsync() => _qemu.DisposeAsync();

    [Theory]
    [InlineData("""[{"device": "", "qdev": "root", "io-status": "ok"}, {"device": "", "qdev": "data", "io-status": "nospace"}]""", "no space is left on the host for disk 'data'")]
    [InlineData("""[{"device": "", "qdev": "/machine/peripheral/volume.data/virtio-backend", "io-status": "nospace"}]""", "no space is left on the host for disk 'data'")]
    [InlineData("""[{"device": "data", "io-status": "failed"}]""", "the host could not read or write disk 'data'")]
    [InlineData("[]", "the host could not read or write disk 'of-the-event'")]
    [InlineData("7", "the host could not read or write disk 'of-the-event'")]
    public async Task A_disk_that_fails_pauses_the_guest_and_is_named_and_resume_is_seen(string disks, string reason)
    {
        await _qemu.AttachAsync();
        (_qemu.Answers["query-status"], _qemu.Answers["query-block"]) = ("""{"status": "io-error"}""", disks);
        await _qemu.TellAsync("BLOCK_IO_ERROR", """{"device": "", "node-name": "of-the-event", "operation": "write", "action": "stop", "nospace": true}""");
        await _qemu.TellAsync("STOP");

        (await _qemu.NextToldAsync()).ShouldBe((new InstanceStatus(InstanceState.Paused, reason, PauseCause: PauseCause.IoError), false));
        _qemu.Answers["query-status"] = """{"status": "running"}""";
        await _qemu.TellAsync("RESUME");
        (await _qemu.NextToldAsync()).Status.ShouldBe(new InstanceStatus(InstanceState.Running));
    }

    [Fact]
    public async Task A_disk_that_failed_while_nobody_was_there_is_found_by_asking()
    {
        (_qemu.Answers["query-status"], _qemu.Answers["query-block"]) = ("""{"status": "io-error"}""", """[{"device": "data", "io-status": "failed"}]""");
        var guest = await _qemu.AttachAsync();

        guest.Known.PauseCause.ShouldBe(PauseCause.IoError);
    }

    [Theory]
    [InlineData("shutdown", "SHUTDOWN", StopCause.GuestShutdown)]
    [InlineData("guest-panicked", "GUEST_PANICKED", StopCause.Panicked)]
    [InlineData("internal-error", "STOP", StopCause.Failed)]
    public async Task A_guest_that_has_ended_is_written_down_and_then_its_QEMU_is_ended(string status, string happened, StopCause cause)
    {
        await _qemu.AttachAsync();
        _qemu.Answers["query-status"] = $$"""{"status": "{{status}}" }""";
        await _qemu.TellAsync(happened);

        var told = await _qemu.NextToldAsync();
        (told.Status.State, told.Status.StopCause).ShouldBe((InstanceState.Stopped, cause));
        _qemu.Commands.ShouldContain("quit");
    }

    [Fact]
    public async Task A_stop_that_was_asked_for_is_not_told()
    {
        var guest = await _qemu.AttachAsync();
        guest.Expect(InstanceState.Paused);
        _qemu.Answers["query-status"] = """{"status": "paused"}""";
        await _qemu.TellAsync("STOP");
        await _qemu.AskedAsync("query-status", 2);
        _qemu.Answers["query-status"] = """{"status": "running"}""";
        await _qemu.TellAsync("RESUME");

        // The first that is told is the second that happened.
        (await _qemu.NextToldAsync()).Status.State.ShouldBe(InstanceState.Running);
    }

    [Fact]
    public async Task Resets_of_the_guest_in_short_order_are_told_once()
    {
        await _qemu.AttachAsync();
        for (var i = 0; i < 20; i++)
        {
            await _qemu.TellAsync("RESET", """{"guest": true, "reason": "guest-reset"}""");
        }

        _qemu.Answers["query-status"] = """{"status": "paused"}""";
        await _qemu.TellAsync("STOP");
        (await _qemu.NextToldAsync()).WasReset.ShouldBeTrue();
        (await _qemu.NextToldAsync()).ShouldBe((new InstanceStatus(InstanceState.Paused), false));
        _qemu.HasMoreToTell.ShouldBeFalse();
    }

    [Fact]
    public async Task A_reset_that_was_asked_for_is_not_told_nor_are_those_of_the_firmware_after_it()
    {
        await _qemu.AttachAsync();
        await _qemu.TellAsync("RESET", """{"guest": false, "reason": "host-qmp-system-reset"}""");
        await _qemu.TellAsync("RESET", """{"guest": true, "reason": "guest-reset"}""");
        _qemu.Answers["query-status"] = """{"status": "paused"}""";
        await _qemu.TellAsync("STOP");

        (await _qemu.NextToldAsync()).ShouldBe((new InstanceStatus(InstanceState.Paused), false));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("this is not JSON")]
    public async Task A_connection_that_breaks_is_made_anew_and_what_happened_meanwhile_is_seen(string? garbage)
    {
        await _qemu.AttachAsync();
        _qemu.Answers["query-status"] = """{"status": "paused"}""";
        if (garbage is null)
        {
            _qemu.HangUp();
        }
        else
        {
            await _qemu.SayAsync(garbage);
        }

        (await _qemu.NextToldAsync()).Status.State.ShouldBe(InstanceState.Paused);
    }

    [Fact]
    public void Resets_are_counted_in_the_log_between_whatever_else_is_there()
    {
        string[] start = ["resettable_reset obj=0x1 cold=0", "resettable_reset obj=0x1 cold=0", "qemu: a warning", "resettable_reset obj=0x2 cold=0", "resettable_reset obj=0x3 cold=0"];
        string[] reset = ["resettable_reset obj=0x1 cold=0", "resettable_reset obj=0x2 cold=0", "resettable_reset obj=0x3 cold=0"];

        QemuResets.CountIn([]).ShouldBe(0);
        QemuResets.CountIn(start).ShouldBe(0);
        QemuResets.CountIn([.. start, .. reset, .. reset]).ShouldBe(2);
    }
}
