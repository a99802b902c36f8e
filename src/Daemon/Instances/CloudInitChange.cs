using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>Sets the cloud-init of an instance anew, or takes it away: first on its node, then, with its success, in the list.</summary>
internal sealed class CloudInitChange(InstanceStore store, EventLog events, LocalNode node) : OperationType<CloudInitChange.Input>
{
    private static readonly string[] Changed = ["cloudInit"];

    /// <param name="Settings">With hashes of passwords; null for none.</param>
    public sealed record Input(Id<Instance> Id, CloudInit? Settings);

    /// <param name="InstanceId">As cloud-init has it; null where it was taken away.</param>
    /// <param name="Pending">Why a running instance has it only from its next start on; null when it holds.</param>
    public sealed record Result(string? InstanceId, string? Pending);

    public override string Kind => "cloud_init.set";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        string? pending = null;
        return
        [
            new DbStep("take a number", async (transaction, context, _) =>
            {
                var name = context.Operation.TargetName;
                var state = await store.LockAsync(transaction, input.Id) ?? throw InstanceErrors.Unknown(name);
                if (state is not (InstanceState.Stopped or InstanceState.Running or InstanceState.Paused))
                {
                    throw InstanceErrors.WrongStateFor("cloud-init", name, state);
                }

                await InstanceStore.NextCloudInitAsync(transaction, input.Id);
            }),
            new HostStep("make the disc",
                async (_, ct) => pending = await node.SetCloudInitAsync(input.Id, await WantedAsync(input, ct), ct) ? "it runs with the disc it was started with" : null,
                async (_, ct) => await node.SetCloudInitAsync(input.Id, await store.CloudInitAsync(input.Id, ct), ct)),
            new DbStep("publish", async (transaction, context, _) =>
            {
                var caller = Caller.Of(context.Operation);
                var number = await store.SetCloudInitAsync(transaction, input.Id, input.Settings);
                await events.AppendAsync(transaction, EventTypes.InstanceChanged, $"instances/{input.Id}", caller.Name, caller.RequestId, new { fields = Changed });
                context.SetResult(new Result(input.Settings is null ? null : CloudInitSpec.InstanceIdOf(input.Id, number), pending));
            }),
        ];
    }

    private async Task<CloudInitSpec?> WantedAsync(Input input, CancellationToken ct) =>
        input.Settings is { } settings ? new(settings, await store.LastCloudInitAsync(input.Id, ct)) : null;
}
