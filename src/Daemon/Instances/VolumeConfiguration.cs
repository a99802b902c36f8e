using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>Changes the limits of a volume and makes it larger, of a running instance at once. A disk that has grown stays so.</summary>
internal sealed class VolumeConfiguration(VolumeRows volumes, LocalNode node) : OperationType<VolumeConfiguration.Input>
{
    /// <param name="GrowTo">In bytes; null to leave its size.</param>
    public sealed record Input(Id<Instance> Id, string Volume, VolumeLimits? Before, VolumeLimits? After, long? GrowTo);

    public override string Kind => "volume.configure";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        string? limited = null, grown = null;
        HostStep limit = new("limit",
            async (_, ct) => limited = (await node.LimitDiskAsync(input.Id, input.Volume, input.After, ct))?.WhyNot,
            (_, ct) => node.LimitDiskAsync(input.Id, input.Volume, input.Before, ct));
        DbStep note = new("write down the limits",
            (transaction, context, _) => volumes.ChangeAsync(transaction, input.Id, input.Volume, v => v with { Limits = input.After }, context.Operation.TargetName),
            (transaction, context, _) => volumes.ChangeAsync(transaction, input.Id, input.Volume, v => v with { Limits = input.Before }, context.Operation.TargetName));
        return
        [
            .. input.Before != input.After ? (Step[])[limit, note] : [],
            .. input.GrowTo is { } size ? (Step[])
            [
                new HostStep("grow", async (_, ct) => grown = (await node.GrowDiskAsync(input.Id, input.Volume, size, ct))?.WhyNot),
                new DbStep("write down the size", (transaction, context, _) => volumes.ChangeAsync(
                    transaction, input.Id, input.Volume, v => v with { SizeBytes = node.DiskBytes(input.Id, input.Volume) }, context.Operation.TargetName)),
            ] : [],
            volumes.Publish(input.Id, input.Volume, () => new(input.Volume, string.Join(' ', new[] { limited, grown }.OfType<string>()) is { Length: > 0 } why ? why : null)),
        ];
    }
}
