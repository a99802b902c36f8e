using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Images;

/// <summary>Builds an image from a recipe: listed and usable when it is whole, else not there.</summary>
internal sealed class ImageBuild(ImageSteps steps, LocalNode node) : OperationType<ImageBuild.Input>
{
    public sealed record Input(Id<Image> Id, string Name, string Recipe);

    public override string Kind => "image.build";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        steps.Reserve(input.Id, input.Name),
        new HostStep("build",
            (context, ct) => node.BuildImageAsync(input.Id, input.Recipe, context.Report, ct),
            (_, ct) => node.RemoveImageAsync(input.Id, ct)),
        steps.Publish(input.Id, input.Name, EventTypes.ImageBuilt),
    ];
}
