using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Instances;

internal static class InstanceOperations
{
    /// <summary>Begins a slow change of an instance; one at a time changes it.</summary>
    public static Task<Operation> BeginAsync<TInput>(
        this Operations.Operations operations, OperationType<TInput> type, TInput input, Instance instance, Caller caller, BeginOptions options, CancellationToken ct) =>
        operations.BeginAsync(type, input, $"instances/{instance.Id}", instance.Name, caller, options, ct);
}
