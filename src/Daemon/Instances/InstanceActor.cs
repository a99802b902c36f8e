using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Instances;

/// <summary>How the actions on an instance become operations, for the routes, the batch and the start-up alike.</summary>
internal sealed class InstanceActor(
    Operations.Operations operations, InstanceStart start, InstanceShutdown shutdown, InstanceStop stop, InstancePause pause, InstanceResume resume,
    InstanceRestart restart, InstanceReset reset, InstanceRename rename, InstanceResize resize, InstanceDeletion delete)
{
    /// <summary>The time a guest has to shut down when nobody says.</summary>
    private const double DefaultShutdownSeconds = 60;

    /// <param name="force">For <see cref="InstanceAction.Delete"/>: a running one too. For <see cref="InstanceAction.Restart"/>: one that does not shut down too.</param>
    /// <param name="timeoutSeconds">For <see cref="InstanceAction.Shutdown"/> and <see cref="InstanceAction.Restart"/>.</param>
    /// <exception cref="Refusal"><c>instance.wrong_state</c>, <c>operation.target_busy</c></exception>
    public Task<Operation> BeginAsync(
        Instance instance, InstanceAction action, Caller caller, BeginOptions options, CancellationToken ct, bool force = false, double? timeoutSeconds = null)
    {
        Demand(instance, action, options, force);
        return action switch
        {
            InstanceAction.Start => Begin(start, new(instance.Id)),
            InstanceAction.Shutdown => Begin(shutdown, new(instance.Id, timeoutSeconds ?? DefaultShutdownSeconds)),
            InstanceAction.Stop => Begin(stop, new(instance.Id)),
            InstanceAction.Pause => Begin(pause, new(instance.Id)),
            InstanceAction.Resume => Begin(resume, new(instance.Id)),
            InstanceAction.Restart => Begin(restart, new(instance.Id, timeoutSeconds ?? DefaultShutdownSeconds, force)),
            InstanceAction.Reset => Begin(reset, new(instance.Id)),
            InstanceAction.Delete => Begin(delete, new(instance.Id, force)),
            _ => throw new ArgumentOutOfRangeException(nameof(action)),
        };

        Task<Operation> Begin<TInput>(OperationType<TInput> type, TInput input) => BeginAsync(instance, type, input, caller, options, ct);
    }

    /// <exception cref="Refusal"><c>instance.wrong_state</c>, <c>operation.target_busy</c></exception>
    public Task<Operation> RenameAsync(Instance instance, string name, Caller caller, BeginOptions options, CancellationToken ct)
    {
        Demand(instance, InstanceAction.Rename, options);
        return BeginAsync(instance, rename, new(instance.Id, name), caller, options, ct);
    }

    /// <exception cref="Refusal"><c>instance.wrong_state</c>, <c>operation.target_busy</c></exception>
    public Task<Operation> ResizeAsync(Instance instance, ResizeInstance wanted, Caller caller, BeginOptions options, CancellationToken ct)
    {
        Demand(instance, InstanceAction.Resize, options);
        return BeginAsync(instance, resize, new(instance.Id, wanted.Cpus, wanted.MemoryBytes, wanted.NextStart), caller, options, ct);
    }

    /// <summary>One that waits for its turn is held against the state it finds then.</summary>
    private static void Demand(Instance instance, InstanceAction action, BeginOptions options, bool force = false)
    {
        if (!options.Queue)
        {
            InstanceActions.Demand(instance.Name, instance.State, action, force);
        }
    }

    private Task<Operation> BeginAsync<TInput>(Instance instance, OperationType<TInput> type, TInput input, Caller caller, BeginOptions options, CancellationToken ct) =>
        operations.BeginAsync(type, input, instance, caller, options, ct);
}
