using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Images;

/// <summary>
/// Removes what uploads left that a daemon before this one did not see to their end: their operation was never begun, so
/// nothing else would. What stands there is noted before the first request can begin another.
/// </summary>
internal sealed partial class ImageWorkshops(LocalNode node, ImageStore store, Operations.Operations operations, Db db, ILogger<ImageWorkshops> logger) : BackgroundService
{
    private IReadOnlyList<Id<Image>> _found = [];

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        _found = node.ImageWorkshops();
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await db.Ready.WaitAsync(stoppingToken);
        foreach (var id in _found)
        {
            // An operation that is not over has the image's row, or has yet to make its first step.
            var last = (await operations.ListAsync(null, $"images/{id}", 1, null, stoppingToken)).Items;
            if (!await store.ExistsAsync(id, stoppingToken) && last.All(o => o.IsFinished()))
            {
                LogLeft(logger, id);
                await node.RemoveImageAsync(id, stoppingToken);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Removing what is left of an upload that broke off: {Id}")]
    private static partial void LogLeft(ILogger logger, Id<Image> id);
}
