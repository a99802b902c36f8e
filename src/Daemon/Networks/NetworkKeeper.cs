using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Networks;

/// <summary>
/// Sets the networks up at start, makes the default one when the node has never had it, and from then on tells the node what has
/// changed in the tables and puts back what somebody removed.
/// </summary>
internal sealed partial class NetworkKeeper(
    NetworkStore store, NetworkSync sync, NetworkPlan plan, NetworkCreation create, Operations.Operations operations, EventLog events, GantryConfig config, Db db,
    ILogger<NetworkKeeper> logger) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan PatienceWithDefault = TimeSpan.FromMinutes(2);

    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _woken = new(0, 1);
    private IReadOnlySet<string> _told = new HashSet<string>();

    /// <summary>Done when networks are as far as they get at start: what is started from then on finds them.</summary>
    public Task Settled => _settled.Task;

    public override void Dispose()
    {
        _woken.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        store.Touched += Wake;
        try
        {
            await db.Ready.WaitAsync(stoppingToken);
            await LookAsync(quietly: true, stoppingToken);
            await MakeDefaultAsync(stoppingToken);
            _settled.TrySetResult();
            while (true)
            {
                await _woken.WaitAsync(LookEvery, stoppingToken);
                await LookAsync(quietly: false, stoppingToken);
            }
        }
        finally
        {
            store.Touched -= Wake;
            _settled.TrySetResult();
        }
    }

    private void Wake()
    {
        lock (_woken)
        {
            if (_woken.CurrentCount == 0)
            {
                _woken.Release();
            }
        }
    }

    /// <param name="quietly">After a restart of the host everything is missing: that is no news.</param>
    private async Task LookAsync(bool quietly, CancellationToken ct)
    {
        try
        {
            var repaired = await sync.RepairAsync(ct);
            var refusals = await sync.ApplyNewAsync(ct);
            if (repaired.Count > 0 && !quietly)
            {
                LogRepaired(logger, string.Join("; ", repaired));
                await TellAsync(EventTypes.NetworkRepaired, new { repaired }, ct);
            }

            // The same trouble is told once, not every time it is looked at.
            var troubles = refusals.Select(r => r.Message).ToHashSet();
            foreach (var trouble in troubles.Except(_told))
            {
                LogTrouble(logger, trouble);
                await TellAsync(EventTypes.NetworkFailed, new { reason = trouble }, ct);
            }

            _told = troubles;
        }
        catch (Refusal refusal)
        {
            LogTrouble(logger, refusal.Message);
        }
    }

    private async Task MakeDefaultAsync(CancellationToken ct)
    {
        try
        {
            if (config.DefaultNetwork is not { } name || await store.HadDefaultAsync(ct))
            {
                return;
            }

            if (await store.TryGetAsync(name, ct) is not null)
            {
                await db.InTransactionAsync(store.NoteDefaultAsync, ct);
                return;
            }

            var settings = new NetworkSettings { Name = name, Description = "The network of instances that name none" };
            var input = new NetworkCreation.Input(Id<Network>.New(), await plan.ResolveAsync(settings, ct), IsDefault: true);
            var begun = await operations.BeginAsync(create, input, $"networks/{input.Id}", name, Caller.System, BeginOptions.Default, ct);
            var ended = await operations.WaitAsync(begun.Id, PatienceWithDefault, ct);
            if (ended.Error is { } error)
            {
                LogTrouble(logger, error.Detail ?? error.Title);
                await TellAsync(EventTypes.NetworkFailed, new { name, reason = error.Detail }, ct);
            }
        }
        catch (Refusal refusal)
        {
            LogTrouble(logger, refusal.Message);
        }
    }

    private Task TellAsync(string type, object data, CancellationToken ct) =>
        db.InTransactionAsync(transaction => events.AppendAsync(transaction, type, "networks", Caller.System.Name, null, data), ct);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Networks were put right: {What}")]
    private static partial void LogRepaired(ILogger logger, string what);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A network does not work: {Why}")]
    private static partial void LogTrouble(ILogger logger, string why);
}
