using Gantry.Contracts;
using Microsoft.Extensions.Logging;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
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
        try
        {
            while (grace - node.Time.GetElapsedTime(began) is var left && left > TimeSpan.Zero)
            {
                var now = await guest.QueryAsync(ct);
                if (now.State == InstanceState.Stopped)
                {
                    guest.EndAsked = true;
                    await guest.FinishAsync(now);
                    return;
                }

                if (now.State == InstanceState.Paused)
                {
                    break; // it cannot hear the button, so waiting would change nothing
                }

                guest.EndAsked = true;
                await guest.ExecuteAsync("system_powerdown", ct);
                if (await guest.EndedWithinAsync(left < PressAgain ? left : PressAgain, ct))
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
            guest.EndAsked = false;
            throw DriverErrors.NoAnswer(node.Folders.Read(id).Name, e.Message);
        }
        catch (OperationCanceledException)
        {
            guest.EndAsked = false;
            throw;
        }

        // From here on its end is again something nobody waits for.
        guest.EndAsked = false;
        if (!guest.Process.Ended.IsCompleted)
        {
            throw DriverErrors.ShutdownTimeout(node.Folders.Read(id).Name, grace);
        }
    }

    private async Task EndAsync(Id<Instance> id, QemuGuest guest)
    {
        guest.EndAsked = true;
        if (await guest.EndAsync() is { } why)
        {
            LogQuitFailed(_logger, id, why);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "QEMU of instance {Id} did not quit and was killed: {Reason}")]
    private static partial void LogQuitFailed(ILogger logger, Id<Instance> id, string reason);
}
