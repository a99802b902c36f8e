using System.Net.Sockets;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Pools;
using Microsoft.Extensions.Logging;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    private const string MemoryDescriptor = "memory";
    private const int Piece = 1 << 20;
    private const long Unlimited = 1L << 40; // bytes a second

    /// <summary>Firmware, video memory and devices beside the guest's memory: whoever writes more than that is no migration.</summary>
    private const long BesideMemory = 512 * Limits.MiB;

    // Of a slow disk, from which a start reads the memory.
    private const long LoadedInASecond = 16 * Limits.MiB;

    private static readonly TimeSpan MemoryStallsAfter = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MigrationEndsWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan ProgressEvery = TimeSpan.FromMilliseconds(500);

    public async Task<SavedMachine> MachineAsync(Id<Instance> id, CancellationToken ct) => await WhileRunningAsync(id, async (guest, _) =>
        await QemuMachine.ReadAsync(guest, Started(id) ?? throw DriverErrors.NotRunning(id), ct), ct) ?? throw DriverErrors.NotRunning(id);

    public async Task SaveMemoryAsync(Id<Instance> id, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write, Action<DiskProgress> report, CancellationToken ct)
    {
        var (near, far) = Posix.SocketPair();
        try
        {
            using var ended = near;
            Saving saving;
            using (far)
            {
                saving = await WhileRunningAsync(id, (guest, spec) => BeginSavingAsync(guest, spec.Name, far, ct), ct) ?? throw DriverErrors.NotRunning(id);
            }

            try
            {
                await CopyMemoryAsync(saving, near, write, report, ct);
                var end = await MigrationAsync(saving.Guest, ct);
                if (end.Status != "completed")
                {
                    throw DriverErrors.MemoryNotSaved(saving.Name, end.Why ?? $"QEMU says that its saving {(end.IsGoingOn ? "goes on" : "was " + end.Status)}");
                }
            }
            catch (QmpFailed) when (saving.Guest.Process.Ended.IsCompleted)
            {
                throw DriverErrors.NotRunning(id);
            }
            catch (QmpFailed e)
            {
                throw DriverErrors.NoAnswer(saving.Name, e.Message);
            }
        }
        finally
        {
            // Nobody reads any more, so that what is not at its end ends.
            await SettleAsync(id);
        }
    }

    public async Task<string?> WhyNotLoadableAsync(Id<Instance> id, SavedMachine saved, CancellationToken ct) =>
        QemuMachine.WhyNot(await _host.ComposeAsync(node.Folders.Read(id), ct), saved);

    public Task LoadMemoryAsync(Id<Instance> id, SavedMachine saved, string path, CancellationToken ct) => LockedAsync(id, async slot =>
    {
        var within = AnswersWithin + TimeSpan.FromSeconds(saved.MemoryBytes / LoadedInASecond);
        if (await AttachAsync(slot, id) is { } running)
        {
            await AwaitLoadedAsync(Started(id)?.Loads == path ? running : throw DriverErrors.RunsAlready(id), within, ct);
            return true;
        }

        await StartAsync(slot, id, start => QemuMachine.Loading(start, saved, path), guest => AwaitLoadedAsync(guest, within, ct), ct);
        return true;
    }, ct);

    /// <summary>While it loads, QEMU does nothing else: it may be silent for as long as that takes.</summary>
    private async Task AwaitLoadedAsync(QemuGuest guest, TimeSpan within, CancellationToken ct)
    {
        var began = node.Time.GetTimestamp();
        await AwaitAnswerAsync(guest, within, ct);
        while ((await guest.ExecuteAsync("query-status", ct)).Text("status") == "inmigrate")
        {
            if (node.Time.GetElapsedTime(began) > within)
            {
                throw new QmpFailed($"QEMU did not load the memory within {within.TotalSeconds:0} s.");
            }

            await Task.WhenAny(guest.Process.Ended, Task.Delay(LookAgain, node.Time, ct));
            ct.ThrowIfCancellationRequested();
        }
    }

    private static async Task<Saving> BeginSavingAsync(QemuGuest guest, string name, System.Runtime.InteropServices.SafeHandle far, CancellationToken ct)
    {
        try
        {
            var plugged = (await QemuSize.ReadAsync(guest, ct)).Plugged;
            await guest.ExecuteAsync("migrate-set-parameters", ct, arguments: new() { ["max-bandwidth"] = Unlimited });
            await guest.ExecuteAsync("getfd", ct, arguments: new() { ["fdname"] = MemoryDescriptor }, handed: far);
            await guest.ExecuteAsync("migrate", ct, arguments: new() { ["uri"] = $"fd:{MemoryDescriptor}" });
            return new(guest, name, plugged);
        }
        catch (QmpRefused e)
        {
            await TryAsync(guest, "closefd", new() { ["fdname"] = MemoryDescriptor });
            throw DriverErrors.MemoryNotSaved(name, e.Message);
        }
    }

    private async Task CopyMemoryAsync(Saving saving, Socket from, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write, Action<DiskProgress> report, CancellationToken ct)
    {
        var piece = new byte[Piece];
        var (copied, asked) = (0L, node.Time.GetTimestamp());

        // Never waited for while there is something to read: at the end of a migration QEMU answers nothing until that was taken from it.
        Task<Migration>? asking = null;
        while (true)
        {
            using var stalls = new CancellationTokenSource(MemoryStallsAfter, node.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, stalls.Token);
            try
            {
                if (await from.ReceiveAsync(piece, either.Token) is var length && length == 0)
                {
                    return;
                }
                else if ((copied += length) > saving.MemoryBytes + BesideMemory)
                {
                    throw DriverErrors.MemoryNotSaved(saving.Name, "QEMU writes more than it can have");
                }
                else
                {
                    await write(piece.AsMemory(0, length), either.Token);
                }
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                throw DriverErrors.MemoryNotSaved(saving.Name, $"nothing more of it came for {MemoryStallsAfter.TotalSeconds:0} s");
            }
            catch (SocketException e)
            {
                throw DriverErrors.MemoryNotSaved(saving.Name, e.Message);
            }

            if (asking is { IsCompleted: true })
            {
                if (asking.IsCompletedSuccessfully)
                {
                    report((await asking).Progress);
                }

                asking = null;
            }

            if (asking is null && node.Time.GetElapsedTime(asked) > ProgressEvery)
            {
                (asking, asked) = (MigrationAsync(saving.Guest, ct), node.Time.GetTimestamp());
                _ = asking.ContinueWith(failed => failed.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            }
        }
    }

    /// <summary>
    /// Ends what is going on of a migration and gives QEMU its disks back, which it lets go of at the end of one. It does that only when its
    /// guest is let go on, so that is halted again at once.
    /// </summary>
    private Task<Migration?> SettleAsync(Id<Instance> id) => WhileRunningAsync(id, async (guest, _) =>
    {
        var began = node.Time.GetTimestamp();
        Migration now;
        for (var asked = false; (now = await MigrationAsync(guest, CancellationToken.None)).IsGoingOn; asked = true)
        {
            if (!asked)
            {
                await TryAsync(guest, "migrate_cancel", []);
            }
            else if (node.Time.GetElapsedTime(began) > MigrationEndsWithin)
            {
                throw new QmpFailed("a migration that was cancelled does not end");
            }

            await Task.WhenAny(guest.Process.Ended, Task.Delay(LookAgain, node.Time));
        }

        if ((await guest.ExecuteAsync("query-status", CancellationToken.None)).Text("status") is "postmigrate" or "finish-migrate")
        {
            guest.Expect(InstanceState.Paused);
            await Task.WhenAll(guest.ExecuteAsync("cont", CancellationToken.None), guest.ExecuteAsync("stop", CancellationToken.None));
        }

        return now;
    }, CancellationToken.None);

    /// <summary>Whoever saved its memory is no more. One that does not answer is as it is.</summary>
    private async Task EndSavingAsync(Id<Instance> id)
    {
        try
        {
            await SettleAsync(id);
        }
        catch (Refusal e)
        {
            LogNotSettled(_logger, id, e.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The saving of the memory of instance {Id} could not be ended: {Reason}")]
    private static partial void LogNotSettled(ILogger logger, Id<Instance> id, string reason);

    private static async Task<Migration> MigrationAsync(QemuGuest guest, CancellationToken ct)
    {
        var now = await guest.ExecuteAsync("query-migrate", ct);
        var ram = now.ValueKind == System.Text.Json.JsonValueKind.Object && now.TryGetProperty("ram", out var found) ? found : default;
        var total = ram.Number("total") ?? 0;
        return new(now.Text("status") ?? "none", now.Text("error-desc"), new(total - (ram.Number("remaining") ?? 0), total));
    }

    private static async Task TryAsync(QemuGuest guest, string command, System.Text.Json.Nodes.JsonObject arguments)
    {
        try
        {
            await guest.ExecuteAsync(command, CancellationToken.None, arguments: arguments);
        }
        catch (QmpRefused)
        {
            // There is nothing of it, or not any more.
        }
    }

    private sealed record Saving(QemuGuest Guest, string Name, long MemoryBytes);

    private sealed record Migration(string Status, string? Why, DiskProgress Progress)
    {
        public bool IsGoingOn => Status is not ("none" or "completed" or "failed" or "cancelled");
    }
}
