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

    public Task<Page<Snapshot>> ListAllSnapshotsAsync(string query = "", CancellationToken ct = default) => GetAsync($"/snapshots{query}", WireJson.Default.PageSnapshot, ct);

    public Task<SnapshotStatistics> GetSnapshotStatisticsAsync(CancellationToken ct = default) => GetAsync("/snapshots/statistics", WireJson.Default.SnapshotStatistics, ct);

    public Task<SnapshotTree> GetSnapshotTreeAsync(string instance, CancellationToken ct = default) =>
        GetAsync($"/instances/{Escape(instance)}/snapshots/tree", WireJson.Deep.SnapshotTree, ct);

    public Task<Page<Quota>> ListQuotasAsync(string query = "", CancellationToken ct = default) => GetAsync($"/quotas{query}", WireJson.Default.PageQuota, ct);

    public Task<QuotaSummary> GetQuotaUsageAsync(CancellationToken ct = default) => GetAsync("/quotas/usage", WireJson.Default.QuotaSummary, ct);

    /// <param name="quota"><c>system</c>, <c>pool:NAME</c> or <c>instance:NAME</c>.</param>
    public Task<Quota> GetQuotaAsync(string quota, CancellationToken ct = default) => GetAsync($"/quotas/{Escape(quota)}", WireJson.Default.Quota, ct);

    public Task<Quota> SetQuotaAsync(string quota, QuotaSettings body, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Put, $"/quotas/{Escape(quota)}", WireJson.Default.Quota, JsonContent.Create(body, WireJson.Default.QuotaSettings), ct);

    public async Task RemoveQuotaAsync(string quota, CancellationToken ct = default) => (await SendAsync(HttpMethod.Delete, $"/quotas/{Escape(quota)}", ct: ct)).Dispose();

    public Task<Operation> EnforceQuotaAsync(string quota, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Post, $"/quotas/{Escape(quota)}/enforce?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    public Task<QuotaEnforced> PlanQuotaAsync(string quota, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Post, $"/quotas/{Escape(quota)}/enforce?dryRun=true", WireJson.Default.QuotaEnforced, null, ct);

    private static string PathOf(string instance, string snapshot) => $"/instances/{Escape(instance)}/snapshots/{Escape(snapshot)}";
}
