using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Images;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;
using Gantry.Node;
using Gantry.Node.Images;

namespace Gantry.Daemon.Clones;

/// <summary>Makes an image of a stopped instance, or of a snapshot. It is the instance's operation, so that it is not started, nor the snapshot deleted, meanwhile.</summary>
internal sealed class InstanceCapture(InstanceStore instances, ImageSteps images, LocalNode node) : OperationType<InstanceCapture.Input>
{
    /// <param name="Snapshot">Null for the instance as it is.</param>
    public sealed record Input(Id<Image> Id, string Name, Id<Instance> Instance, CapturePlan Plan, Id<Snapshot>? Snapshot = null, string? SnapshotName = null);

    public override string Kind => "image.capture";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        images.Reserve(input.Id, input.Name, async (transaction, context) =>
        {
            var name = context.Operation.TargetName;
            var state = await instances.LockAsync(transaction, input.Instance) ?? throw InstanceErrors.Unknown(name);
            if (input.Snapshot is { } snapshot)
            {
                await SnapshotStore.LockAsync(transaction, snapshot, name, input.SnapshotName!);
            }
            else
            {
                DemandStopped(name, state);
            }
        }),
        new HostStep("copy the disk",
            (context, ct) => input.Snapshot is { } snapshot
                ? node.CaptureImageAsync(input.Id, input.Plan, input.Instance, snapshot, context.Report, ct)
                : node.CaptureImageAsync(input.Id, input.Plan, context.Report, ct),
            (_, ct) => input.Snapshot is null ? node.RemoveImageAsync(input.Id, ct) : node.RemoveImageAsync(input.Id, input.Instance, ct)),
        images.Publish(input.Id, input.Name, EventTypes.ImageCaptured, context => new { name = input.Name, instance = context.Operation.TargetName }),
    ];

    /// <exception cref="Refusal"><c>instance.wrong_state</c></exception>
    public static void DemandStopped(string name, InstanceState state)
    {
        if (state != InstanceState.Stopped)
        {
            throw Refusal.Conflict("instance.wrong_state", $"'{name}' is {state.ToString().ToLowerInvariant()}: an image is made of a stopped instance, or of a snapshot.", $"Take a snapshot and name it, or stop it first: `gantry shutdown {name}`.");
        }
    }
}

/// <summary><c>POST /images</c>: it begins with an instance, so it stands here.</summary>
internal static class InstanceCaptureApi
{
    public static void MapCapture(this IEndpointRouteBuilder api) =>
        api.MapPost("/images", Capture).Produces<Operation>(202).WithTags("Images").Requires(Privilege.ImageAllocate);

    private static async Task<IResult> Capture(
        HttpContext http, Body<CreateImage> body, InstanceCapture capture, InstanceStore instances, SnapshotStore snapshots, ImageStore images, LocalNode node,
        Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(ImageRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var instance = await instances.GetAsync(wanted.FromInstance, ct);
            var snapshot = wanted.FromSnapshot is { } named ? await snapshots.GetAsync(instance, named, ct) : null;
            if (snapshot is null)
            {
                InstanceCapture.DemandStopped(instance.Name, instance.State);
            }

            await images.DemandFreeAsync(wanted.Name, ct);
            var from = instance.Image is { } name ? await images.GetAsync(name, ct) : null;
            var files = from is null ? null : node.ImageFiles(from.Id);
            var disk = snapshot is null ? await node.FirstDiskAsync(instance.Id, instance.Name, ct) : [];
            var source = snapshot is null ? $"instance {instance.Name}" : $"snapshot {snapshot.Name} of {instance.Name}";
            var plan = new CapturePlan(
                disk, from?.Id, source, instance.Boot.Firmware ?? files?.Firmware ?? Firmware.Direct,
                instance.Kind, instance.Architecture ?? files?.Architecture ?? node.Host.Guest, files?.CommandLine, wanted.Description ?? $"Made of the {source}");
            var input = new InstanceCapture.Input(Id<Image>.New(), wanted.Name, instance.Id, plan, snapshot?.Id, snapshot?.Name);
            return await operations.BeginAsync(capture, input, $"instances/{instance.Id}", instance.Name, caller, options, ct);
        });
    }
}
