using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Instances;

/// <summary>How the actions on an instance become operations, for the routes, the batch and the start-up alike.</summary>
internal sealed class InstanceActor(
    Operations.Operations operations, InstanceStart start, InstanceShutdown shutdown, InstanceStop stop, InstancePause pause, InstanceResume resume,
    InstanceDeletion delete)
{
    /// <summary>The time a guest has to shut down when nobody says.</summary>
    private const double DefaultShutdownSeconds = 60;

    /// <param name="force">For <see cref="InstanceAction.Delete"/>: a running one too.</param>
    /// <param name="timeoutSeconds">For <see cref="InstanceAction.Shutdown"/>.</param>
    /// <exception cref="Refusal"><c>instance.wrong_state</c>, <c>operation.target_busy</c></exception>
    public Task<Operation> BeginAsync(
        Instance instance, InstanceAction action, Caller caller, BeginOptions options, CancellationToken ct, bool force = false, double? timeoutSeconds = null)
    {
        if (!options.Queue)
        {
            InstanceActions.Demand(instance.Name, instance.State, action, force);
        }

        return action switch
        {
            InstanceAction.Start => Begin(start, new(instance.Id)),
            InstanceAction.Shutdown => Begin(shutdown, new(instance.Id, timeoutSeconds ?? DefaultShutdownSeconds)),
            InstanceAction.Stop => Begin(stop, new(instance.Id)),
            InstanceAction.Pause => Begin(pause, new(instance.Id)),
            InstanceAction.Resume => Begin(resume, new(instance.Id)),
            InstanceAction.Delete => Begin(delete, new(instance.Id, force)),
            _ => throw new ArgumentOutOfRangeException(nameof(action)),
        };

        Task<Operation> Begin<TInput>(OperationType<TInput> type, TInput input) =>
            operations.BeginAsync(type, input, $"instances/{instance.Id}", instance.Name, caller, options, ct);
    }
}
