using System.Text;

namespace Gantry.Contracts;

/// <summary>The calls for volumes: of an instance, and of a pool, which shows those of all.</summary>
public sealed partial class ApiClient
{
    public Task<Page<PoolVolume>> ListPoolVolumesAsync(string pool, string query = "", CancellationToken ct = default) =>
        GetAsync($"{PoolVolumesOf(pool)}{query}", WireJson.Default.PagePoolVolume, ct);

    /// <summary>One that belongs to no instance.</summary>
    public Task<PoolVolume> GetPoolVolumeAsync(string pool, string volume, CancellationToken ct = default) =>
        GetAsync($"{PoolVolumesOf(pool)}/{Escape(volume)}", WireJson.Default.PoolVolume, ct);

    public Task<Operation> CreatePoolVolumeAsync(string pool, CreatePoolVolume body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"{PoolVolumesOf(pool)}?wait={waitSeconds}", body, WireJson.Default.CreatePoolVolume, WireJson.Default.Operation, ct);

    /// <param name="patch">A JSON merge patch of <see cref="ChangePoolVolume"/>.</param>
    public Task<Operation> ChangePoolVolumeAsync(string pool, string volume, string patch, int waitSeconds = 0, CancellationToken ct = default) => SendAsync(
        HttpMethod.Patch, $"{PoolVolumesOf(pool)}/{Escape(volume)}?wait={waitSeconds}", WireJson.Default.Operation, 
        new StringContent(patch, Encoding.UTF8, "application/json"), ct);

    public Task<Operation> DeletePoolVolumeAsync(string pool, string volume, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"{PoolVolumesOf(pool)}/{Escape(volume)}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    /// <summary>Makes a volume in an instance, or attaches one that belongs to none.</summary>
    public Task<Operation> AddVolumeAsync(string instance, AddVolume body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/instances/{Escape(instance)}/volumes?wait={waitSeconds}", body, WireJson.Default.AddVolume, WireJson.Default.Operation, ct);

    /// <summary>Takes a volume out of an instance and keeps it in its pool.</summary>
    /// <param name="name">What it is called there; null for as in the instance.</param>
    public Task<Operation> DetachVolumeAsync(string instance, string volume, string? name = null, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/instances/{Escape(instance)}/volumes/{Escape(volume)}/detach?wait={waitSeconds}", new DetachVolume(name),
            WireJson.Default.DetachVolume, WireJson.Default.Operation, ct);

    /// <param name="patch">A JSON merge patch of <see cref="ChangeVolume"/>.</param>
    public Task<Operation> ChangeVolumeAsync(string instance, string volume, string patch, int waitSeconds = 0, CancellationToken ct = default) => SendAsync(
        HttpMethod.Patch, $"/instances/{Escape(instance)}/volumes/{Escape(volume)}?wait={waitSeconds}", WireJson.Default.Operation, 
        new StringContent(patch, Encoding.UTF8, "application/json"), ct);

    public Task<Operation> MoveVolumeAsync(string instance, string volume, MoveVolume body, int waitSeconds = 0, CancellationToken ct = default) => PostAsync(
        $"/instances/{Escape(instance)}/volumes/{Escape(volume)}/move?wait={waitSeconds}", body, WireJson.Default.MoveVolume, WireJson.Default.Operation, ct);

    public Task<Operation> RemoveVolumeAsync(string instance, string volume, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"/instances/{Escape(instance)}/volumes/{Escape(volume)}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    private static string PoolVolumesOf(string pool) => $"/pools/{Escape(pool)}/volumes";
}
