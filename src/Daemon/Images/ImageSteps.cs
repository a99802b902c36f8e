using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Npgsql;

namespace Gantry.Daemon.Images;

/// <summary>The first and the last step of everything that makes an image: it has its name from the start, and is shown when it is whole.</summary>
internal sealed class ImageSteps(ImageStore store, EventLog events, LocalNode node)
{
    /// <param name="demand">What must hold in the same transaction.</param>
    public DbStep Reserve(Id<Image> id, string name, Func<NpgsqlTransaction, StepContext, Task>? demand = null) => new(
        "reserve the name",
        async (transaction, context, _) =>
        {
            await (demand?.Invoke(transaction, context) ?? Task.CompletedTask);
            await store.InsertAsync(transaction, id, name);
        },
        (transaction, _, _) => store.DeleteAsync(transaction, id));

    /// <param name="told">What the event says; the image's name when left out.</param>
    public DbStep Publish(Id<Image> id, string name, string eventType, Func<StepContext, object>? told = null) => new("publish", async (transaction, context, _) =>
    {
        var caller = Caller.Of(context.Operation);
        await store.PublishAsync(transaction, id, node.ImageFiles(id));
        await events.AppendAsync(transaction, eventType, $"images/{id}", caller.Name, caller.RequestId, told?.Invoke(context) ?? new { name });
        context.SetResult(new { id = $"{id}", name });
    });
}
