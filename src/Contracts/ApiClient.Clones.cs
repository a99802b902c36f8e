namespace Gantry.Contracts;

/// <summary>The calls for clones.</summary>
public sealed partial class ApiClient
{
    /// <param name="snapshot">Null for the instance as it is now.</param>
    public Task<Operation> CloneAsync(string instance, string? snapshot, CloneInstance body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"{(snapshot is null ? $"/instances/{Escape(instance)}" : PathOf(instance, snapshot))}/clone?wait={waitSeconds}", body, WireJson.Default.CloneInstance, WireJson.Default.Operation, ct);

    /// <summary>Makes a linked clone stand alone.</summary>
    public Task<Operation> PromoteInstanceAsync(string instance, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Post, $"/instances/{Escape(instance)}/promote?wait={waitSeconds}", WireJson.Default.Operation, null, ct);
}
