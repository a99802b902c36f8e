using System.Text.Json;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// Long work of QEMU on block nodes (https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html, Background jobs). Each is begun so that
/// it stays, ended, until somebody has read how it ended: a daemon that comes later finds it.
/// </summary>
internal sealed class QemuJobs(QemuGuest guest, TimeProvider time)
{
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan CancelDeadline = TimeSpan.FromSeconds(60);

    public async Task<bool> IsThereAsync(string job, CancellationToken ct) => await FindAsync(job, ct) is not null;

    /// <summary>Waits until a job has ended, and takes it away. Cancelled, so is the job, unless it completes already.</summary>
    /// <param name="ready">What is to be done once source and target are the same and stay so, before the job completes.</param>
    /// <returns>Why it failed; null when it did not, or is not there.</returns>
    /// <exception cref="QmpFailed"/>
    public async Task<string?> EndAsync(string job, Action<DiskProgress> report, Func<Task>? ready, CancellationToken ct)
    {
        var told = false;
        try
        {
            for (var pause = FirstLook; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
            {
                if (await FindAsync(job, ct) is not { } found)
                {
                    return null;
                }

                report(new(found.Number("current-progress") ?? 0, found.Number("total-progress") ?? 0));
                switch (found.Text("status"))
                {
                    case "concluded":
                        await guest.ExecuteAsync("job-dismiss", ct, arguments: new() { ["id"] = job });
                        return found.Text("error");
                    case "ready" when !told:
                        await (ready?.Invoke() ?? Task.CompletedTask);
                        await guest.ExecuteAsync("job-complete", CancellationToken.None, arguments: new() { ["id"] = job });

                        // What is noted is true from here on, whoever wants it otherwise.
                        (told, ct) = (true, CancellationToken.None);
                        break;
                }

                await Task.Delay(pause, time, ct);
            }
        }
        catch (OperationCanceledException) when (!told && ct.IsCancellationRequested)
        {
            await CancelAsync(job);
            throw;
        }
    }

    /// <summary>Ends a job, and leaves its source as it is.</summary>
    public async Task CancelAsync(string job)
    {
        for (var began = time.GetTimestamp(); time.GetElapsedTime(began) < CancelDeadline; await Task.Delay(LongestPause, time))
        {
            try
            {
                if (await FindAsync(job, CancellationToken.None) is not { } found)
                {
                    return;
                }

                var command = found.Text("status") == "concluded" ? "job-dismiss" : "job-cancel";
                await guest.ExecuteAsync(command, CancellationToken.None, arguments: new() { ["id"] = job });
            }
            catch (QmpRefused)
            {
                // It went on by itself meanwhile: looked at again.
            }
            catch (QmpFailed)
            {
                return; // QEMU has ended, and the job with it, or does not answer: the next call finds it
            }
        }
    }

    /// <summary>Ends those of a name that begins so, but one.</summary>
    public async Task CancelOthersAsync(string prefix, string but, CancellationToken ct)
    {
        foreach (var other in (await AllAsync(ct)).Select(j => j.Text("id")).OfType<string>().Where(j => j != but && j.StartsWith(prefix, StringComparison.Ordinal)).ToList())
        {
            await CancelAsync(other);
        }
    }

    private async Task<IEnumerable<JsonElement>> AllAsync(CancellationToken ct) => (await guest.ExecuteAsync("query-jobs", ct)).Items();

    private async Task<JsonElement?> FindAsync(string job, CancellationToken ct)
    {
        foreach (var found in await AllAsync(ct))
        {
            if (found.Text("id") == job)
            {
                return found;
            }
        }

        return null;
    }
}
