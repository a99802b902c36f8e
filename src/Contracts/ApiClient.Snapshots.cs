using System.Net.Http.Json;

namespace Gantry.Contracts;

/// <summary>The calls for an instance's snapshots.</summary>
public sealed partial class ApiClient
{
    public Task<Page<Snapshot>> ListSnapshotsAsync(string instance, string query = "", CancellationToken ct = default) =>
        GetAsync($"/instances/{Escape(instance)}/snapshots{query}", WireJson.Default.PageSnapshot, ct);

    public Task<Snapshot> GetSnapshotAsync(string instance, string snapshot, CancellationToken ct = default) =>
        GetAsync(PathOf(instance, snapshot), WireJson.Default.Snapshot, ct);

    public Task<Operation> CreateSnapshotAsync(string instance, CreateSnapshot body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/instances/{Escape(instance)}/snapshots?wait={waitSeconds}", body, WireJson.Default.CreateSnapshot, WireJson.Default.Operation, ct);

    /// <summary>Changes what is not left out.</summary>
    public Task<Snapshot> ChangeSnapshotAsync(string instance, string snapshot, ChangeSnapshot body, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Patch, PathOf(instance, snapshot), WireJson.Default.Snapshot, JsonContent.Create(body, WireJson.Default.ChangeSnapshot), ct);

    public Task<Operation> RestoreSnapshotAsync(string instance, string snapshot, RestoreSnapshot body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"{PathOf(instance, snapshot)}/restore?wait={waitSeconds}", body, WireJson.Default.RestoreSnapshot, WireJson.Default.Operation, ct);

    public Task<Operation> VerifySnapshotAsync(string instance, string snapshot, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Post, $"{PathOf(instance, snapshot)}/verify?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    public Task<Operation> DeleteSnapshotAsync(string instance, string snapshot, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"{PathOf(instance, snapshot)}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    private static string PathOf(string instance, string snapshot) => $"/instances/{Escape(instance)}/snapshots/{Escape(snapshot)}";
}
