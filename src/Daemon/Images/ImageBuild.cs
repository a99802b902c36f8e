using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Images;

/// <summary>Builds an image from a recipe: listed and usable when it is whole, else not there.</summary>
internal sealed class ImageBuild(ImageStore store, EventLog events, LocalNode node) : OperationType<ImageBuild.Input>
{
    public sealed record Input(Id<Image> Id, string Name, string Recipe);

    public override string Kind => "image.build";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new DbStep("reserve the name",
            (transaction, _, _) => store.InsertAsync(transaction, input.Id, input.Name),
            (transaction, _, _) => store.DeleteAsync(transaction, input.Id)),
        new HostStep("build",
            (context, ct) => node.BuildImageAsync(input.Id, input.Recipe, context.Report, ct),
            (_, ct) => node.RemoveImageAsync(input.Id, ct)),
        new DbStep("publish", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            await store.PublishAsync(transaction, input.Id, node.ImageFiles(input.Id));
            await events.AppendAsync(transaction, EventTypes.ImageBuilt, $"images/{input.Id}", caller.Name, caller.RequestId, new { name = input.Name });
            context.SetResult(new { id = $"{input.Id}", name = input.Name });
        }),
    ];
}
