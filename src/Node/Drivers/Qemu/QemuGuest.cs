using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// One running QEMU, its monitor connected for as long as it answers. What happens to it unasked is told through
/// <paramref name="changed"/>; a state that was asked for is noted before, and so not told.
/// </summary>
internal sealed class QemuGuest(
    Id<Instance> id, QemuProcess process, string socket, TimeProvider time, Action<InstanceState, string?> changed) : IAsyncDisposable
{
    public static readonly TimeSpan AnswerDeadline = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _connecting = new(1);
    private readonly CancellationTokenSource _letGo = new();
    private Qmp? _qmp;
    private Task _watching = Task.CompletedTask;
    private volatile string? _note;

    public QemuProcess Process => process;

    /// <summary>What it is, as far as is known here; <see cref="InstanceState.Stopped"/> while its end has been asked for.</summary>
    public InstanceState Known { get; set; } = InstanceState.Running;

    /// <summary>From now on tells of its changes.</summary>
    /// <param name="reasonOfEnd">Asked once it has ended.</param>
    public void Watch(Func<string?> reasonOfEnd) => _watching = WatchAsync(reasonOfEnd);

    /// <summary>Whether the guest runs or is paused, asked of QEMU.</summary>
    /// <exception cref="QmpFailed"/>
    public async Task<InstanceState> QueryAsync(CancellationToken ct)
    {
        var answer = await ExecuteAsync("query-status", ct);
        return Known = answer.Text("status") == "running" ? InstanceState.Running : InstanceState.Paused;
    }

    /// <exception cref="QmpFailed"/>
    public async Task<JsonElement> ExecuteAsync(string command, CancellationToken ct, TimeSpan? deadline = null)
    {
        var qmp = await ConnectAsync(ct);
        return await qmp.ExecuteAsync(command, null, deadline ?? AnswerDeadline, ct);
    }

    public async ValueTask DisposeAsync()
    {
        await _letGo.CancelAsync();
        if (_qmp is { } qmp)
        {
            await qmp.DisposeAsync();
        }

        await _watching;
        process.Dispose();
        _letGo.Dispose();
    }

    /// <summary>The connection, made anew where it broke; only one that says it is this instance is kept.</summary>
    private async Task<Qmp> ConnectAsync(CancellationToken ct)
    {
        await _connecting.WaitAsync(ct);
        try
        {
            if (_qmp is { IsOpen: true } open)
            {
                return open;
            }

            var qmp = await Qmp.ConnectAsync(socket, AnswerDeadline, time, ct);
            try
            {
                var uuid = (await qmp.ExecuteAsync("query-uuid", null, AnswerDeadline, ct)).Text("UUID");
                if (uuid != id.ToString())
                {
                    throw DriverErrors.NotOurs(id, process.Pid, $"it says it runs {uuid ?? "nothing"}");
                }
            }
            catch
            {
                await qmp.DisposeAsync();
                throw;
            }

            _qmp = qmp;
            _ = ListenAsync(qmp);
            return qmp;
        }
        finally
        {
            _connecting.Release();
        }
    }

    private async Task ListenAsync(Qmp qmp)
    {
        await foreach (var happened in qmp.Events.ReadAllAsync())
        {
            switch (happened.Name)
            {
                case "STOP":
                    Become(InstanceState.Paused);
                    break;
                case "RESUME":
                    Become(InstanceState.Running);
                    break;
                case "GUEST_PANICKED":
                    _note = "the guest's kernel panicked";
                    break;
                case "SHUTDOWN" when happened.Text("reason") == "guest-reset":
                    _note = "the guest asked for a reboot";
                    break;
            }
        }
    }

    private void Become(InstanceState state)
    {
        if (Known is InstanceState.Running or InstanceState.Paused && Known != state)
        {
            Known = state;
            changed(state, null);
        }
    }

    private async Task WatchAsync(Func<string?> reasonOfEnd)
    {
        try
        {
            await process.Ended.WaitAsync(_letGo.Token);
            await process.SettleAsync(time);
        }
        catch (OperationCanceledException)
        {
            return;
        }

        if (Known != InstanceState.Stopped)
        {
            Known = InstanceState.Stopped;
            changed(InstanceState.Stopped, _note ?? reasonOfEnd());
        }
    }
}
