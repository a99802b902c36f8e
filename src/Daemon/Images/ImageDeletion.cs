using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Images;

/// <summary>Takes an image that no instance uses out of the list, then off the node.</summary>
internal sealed class ImageDeletion(ImageStore store, EventLog events, LocalNode node) : OperationType<ImageDeletion.Input>
{
    public sealed record Input(Id<Image> Id);

    public override string Kind => "image.delete";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new DbStep("take out of the list", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            await store.DemandUnusedAsync(transaction, input.Id, context.Operation.TargetName);
            await store.DeleteAsync(transaction, input.Id);
            await events.AppendAsync(transaction, EventTypes.ImageDeleted, $"images/{input.Id}", caller.Name, caller.RequestId, new { name = context.Operation.TargetName });
        }),
        new HostStep("remove from the node", (_, ct) => node.RemoveImageAsync(input.Id, ct)) { OnlyForward = true },
    ];
}
