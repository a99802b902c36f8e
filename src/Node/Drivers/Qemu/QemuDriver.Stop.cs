using Gantry.Contracts;
using Microsoft.Extensions.Logging;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    private static readonly TimeSpan QuitDeadline = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan KillDeadline = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PressAgain = TimeSpan.FromSeconds(5);

    public Task StopAsync(Id<Instance> id, StopMode mode, TimeSpan grace, CancellationToken ct) => LockedAsync(id, async slot =>
    {
        if (await AttachAsync(slot, id) is { } guest)
        {
            await (mode == StopMode.Shutdown ? ShutDownAsync(id, guest, grace, ct) : EndAsync(id, guest));
        }

        // Asked for, so there is nothing to tell of it later.
        await ClearAsync(slot, id);
        return true;
    }, ct);

    public async Task RemoveAsync(Id<Instance> id, CancellationToken ct)
    {
        await StopAsync(id, StopMode.PowerOff, TimeSpan.Zero, ct);
        _slots.TryRemove(id, out _);
    }

    /// <summary>Presses the power button, and again for a guest that was not listening yet.</summary>
    private async Task ShutDownAsync(Id<Instance> id, QemuGuest guest, TimeSpan grace, CancellationToken ct)
    {
        var began = node.Time.GetTimestamp();
        var before = guest.Known;
        try
        {
            if (await guest.QueryAsync(ct) == InstanceState.Paused)
            {
                // It cannot hear the button, so waiting would change nothing.
                throw DriverErrors.ShutdownTimeout(node.Folders.Read(id).Name, grace);
            }

            while (grace - node.Time.GetElapsedTime(began) is var left && left > TimeSpan.Zero)
            {
                guest.Known = InstanceState.Stopped;
                await guest.ExecuteAsync("system_powerdown", ct);
                if (await EndedWithinAsync(guest, left < PressAgain ? left : PressAgain, ct))
                {
                    return;
                }
            }
        }
        catch (QmpFailed) when (guest.Process.Ended.IsCompleted)
        {
            await guest.Process.SettleAsync(node.Time);
            return;
        }
        catch (QmpFailed e)
        {
            guest.Known = before;
            throw DriverErrors.NoAnswer(node.Folders.Read(id).Name, e.Message);
        }
        catch (OperationCanceledException)
        {
            guest.Known = before;
            throw;
        }

        // From here on its end is again something nobody waits for.
        guest.Known = before;
        if (!guest.Process.Ended.IsCompleted)
        {
            throw DriverErrors.ShutdownTimeout(node.Folders.Read(id).Name, grace);
        }
    }

    /// <summary>Not cancelled half-way: it takes seconds, and a guest that is half ended helps nobody.</summary>
    private async Task EndAsync(Id<Instance> id, QemuGuest guest)
    {
        guest.Known = InstanceState.Stopped;
        try
        {
            await guest.ExecuteAsync("quit", CancellationToken.None, QuitDeadline).WaitAsync(QuitDeadline, node.Time);
        }
        catch (Exception e) when (e is QmpFailed or TimeoutException or Refusal)
        {
            LogQuitFailed(_logger, id, e.Message);
        }

        if (!await EndedWithinAsync(guest, QuitDeadline, CancellationToken.None))
        {
            guest.Process.Kill();
            await guest.Process.Ended.WaitAsync(KillDeadline, node.Time);
            await guest.Process.SettleAsync(node.Time);
        }
    }

    private async Task<bool> EndedWithinAsync(QemuGuest guest, TimeSpan time, CancellationToken ct)
    {
        try
        {
            await guest.Process.Ended.WaitAsync(time, node.Time, ct);
            await guest.Process.SettleAsync(node.Time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "QEMU of instance {Id} did not quit and will be killed: {Reason}")]
    private static partial void LogQuitFailed(ILogger logger, Id<Instance> id, string reason);
}
