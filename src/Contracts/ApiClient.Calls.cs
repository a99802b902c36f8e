using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Gantry.Contracts;

/// <summary>One line a route. Paths are escaped here and nowhere else.</summary>
public sealed partial class ApiClient
{
    public Task<Page<Instance>> ListInstancesAsync(string query = "", CancellationToken ct = default) =>
        GetAsync($"/instances{query}", WireJson.Default.PageInstance, ct);

    public Task<Instance> GetInstanceAsync(string name, CancellationToken ct = default) =>
        GetAsync($"/instances/{Escape(name)}", WireJson.Default.Instance, ct);

    /// <param name="waitSeconds">0 to <see cref="Limits.MaxWaitSeconds"/>: how long the answer waits for the operation's end.</param>
    public Task<Operation> CreateInstanceAsync(CreateInstance body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/instances?wait={waitSeconds}", body, WireJson.Default.CreateInstance, WireJson.Default.Operation, ct);

    /// <summary>What would be made; nothing is.</summary>
    public Task<InstancePreview> PreviewInstanceAsync(CreateInstance body, CancellationToken ct = default) =>
        PostAsync("/instances?dryRun=true", body, WireJson.Default.CreateInstance, WireJson.Default.InstancePreview, ct);

    public Task<Operation> ActOnInstanceAsync(string name, InstanceAction action, int waitSeconds = 0, CancellationToken ct = default) =>
        action == InstanceAction.Delete
            ? DeleteInstanceAsync(name, force: false, waitSeconds, ct)
            : SendAsync(HttpMethod.Post, $"/instances/{Escape(name)}/{Word(action)}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    public Task<Operation> ShutdownInstanceAsync(string name, double? timeoutSeconds, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/instances/{Escape(name)}/shutdown?wait={waitSeconds}", new ShutdownInstance(timeoutSeconds),
            WireJson.Default.ShutdownInstance, WireJson.Default.Operation, ct);

    public Task<Operation> RestartInstanceAsync(string name, RestartInstance body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/instances/{Escape(name)}/restart?wait={waitSeconds}", body, WireJson.Default.RestartInstance, WireJson.Default.Operation, ct);

    public Task<Operation> RenameInstanceAsync(string name, string newName, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/instances/{Escape(name)}/rename?wait={waitSeconds}", new RenameInstance(newName), WireJson.Default.RenameInstance, WireJson.Default.Operation, ct);

    public Task<Operation> ResizeInstanceAsync(string name, ResizeInstance body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/instances/{Escape(name)}/resize?wait={waitSeconds}", body, WireJson.Default.ResizeInstance, WireJson.Default.Operation, ct);

    /// <summary>Changes what is not left out. A label of the body is added or replaced, the others stay; <c>gantry query PATCH</c> takes away.</summary>
    public Task<Instance> PatchInstanceAsync(string name, ChangeInstance body, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Patch, $"/instances/{Escape(name)}", WireJson.Default.Instance, JsonContent.Create(body, WireJson.Default.ChangeInstance), ct);

    public Task<Operation> DeleteInstanceAsync(string name, bool force, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"/instances/{Escape(name)}?wait={waitSeconds}{(force ? "&force=true" : "")}", WireJson.Default.Operation, null, ct);

    public Task<BatchResults> BatchInstancesAsync(BatchInstances body, CancellationToken ct = default) =>
        PostAsync("/instances:batch", body, WireJson.Default.BatchInstances, WireJson.Default.BatchResults, ct);

    /// <param name="tailBytes">At most this many bytes: the last ones, or the first after <paramref name="since"/>.</param>
    /// <param name="since">Only what follows this offset in all the guest has written: the <see cref="SerialOutput.End"/> of an answer before.</param>
    /// <param name="timestamps">Each line with its time before it.</param>
    public Task<SerialOutput> GetLogsAsync(string name, int? tailBytes = null, long? since = null, bool timestamps = false, CancellationToken ct = default) =>
        GetAsync($"/instances/{Escape(name)}/logs?{LogsQuery(tailBytes, since, timestamps)}", WireJson.Default.SerialOutput, ct);

    /// <summary>The query of a call for logs.</summary>
    public static string LogsQuery(long? tailBytes, long? since, bool timestamps) => string.Join(
        '&', new[] { tailBytes is { } n ? $"tail={n}" : null, since is { } after ? $"since={after}" : null, timestamps ? "timestamps=true" : null }.OfType<string>());

    public Task<DriverCommandLine> GetCommandLineAsync(string name, CancellationToken ct = default) =>
        GetAsync($"/instances/{Escape(name)}/command-line", WireJson.Default.DriverCommandLine, ct);

    public Task<Page<Operation>> ListOperationsAsync(string query = "", CancellationToken ct = default) =>
        GetAsync($"/operations{query}", WireJson.Default.PageOperation, ct);

    public Task<Operation> GetOperationAsync(Id<Operation> id, int waitSeconds = 0, CancellationToken ct = default) =>
        GetAsync($"/operations/{id}?wait={waitSeconds}", WireJson.Default.Operation, ct);

    public Task<OperationLog> GetOperationLogAsync(Id<Operation> id, CancellationToken ct = default) =>
        GetAsync($"/operations/{id}/log", WireJson.Default.OperationLog, ct);

    public Task<Operation> CancelOperationAsync(Id<Operation> id, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"/operations/{id}", WireJson.Default.Operation, null, ct);

    public Task<Page<Image>> ListImagesAsync(string query = "", CancellationToken ct = default) =>
        GetAsync($"/images{query}", WireJson.Default.PageImage, ct);

    public Task<Image> GetImageAsync(string name, CancellationToken ct = default) =>
        GetAsync($"/images/{Escape(name)}", WireJson.Default.Image, ct);

    public Task<Operation> BuildImageAsync(BuildImage body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/images:build?wait={waitSeconds}", body, WireJson.Default.BuildImage, WireJson.Default.Operation, ct);

    public Task<Operation> ImportImageAsync(ImportImage body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/images:import?wait={waitSeconds}", body, WireJson.Default.ImportImage, WireJson.Default.Operation, ct);

    /// <summary>Sends the disk's bytes; <see cref="ImportImage.Url"/> and the paths must be left out. Not sent again when the connection breaks.</summary>
    /// <param name="source">The file's name, for people.</param>
    public async Task<Operation> UploadImageAsync(ImportImage about, HttpContent disk, string? source = null, CancellationToken ct = default)
    {
        using var response = await UploadAsync($"/images:upload?{UploadQuery(about, source)}", disk, ct);
        return (await response.Content.ReadFromJsonAsync(WireJson.Default.Operation, ct))!;
    }

    public Task<Operation> CreateImageAsync(CreateImage body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/images?wait={waitSeconds}", body, WireJson.Default.CreateImage, WireJson.Default.Operation, ct);

    public Task<Image> RenameImageAsync(string name, string newName, CancellationToken ct = default) =>
        PostAsync($"/images/{Escape(name)}/rename", new RenameImage(newName), WireJson.Default.RenameImage, WireJson.Default.Image, ct);

    public Task<Image> UpdateImageAsync(string name, ChangeImage body, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Patch, $"/images/{Escape(name)}", WireJson.Default.Image, JsonContent.Create(body, WireJson.Default.ChangeImage), ct);

    public Task<Operation> DeleteImageAsync(string name, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"/images/{Escape(name)}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    public Task<Page<Template>> ListTemplatesAsync(string query = "", CancellationToken ct = default) =>
        GetAsync($"/templates{query}", WireJson.Default.PageTemplate, ct);

    public Task<Template> GetTemplateAsync(string name, CancellationToken ct = default) =>
        GetAsync($"/templates/{Escape(name)}", WireJson.Default.Template, ct);

    public Task<Template> CreateTemplateAsync(CreateTemplate body, CancellationToken ct = default) =>
        PostAsync("/templates", body, WireJson.Default.CreateTemplate, WireJson.Default.Template, ct);

    public async Task DeleteTemplateAsync(string name, CancellationToken ct = default) =>
        (await SendAsync(HttpMethod.Delete, $"/templates/{Escape(name)}", ct: ct)).Dispose();

    public Task<Page<Pool>> ListPoolsAsync(string query = "", CancellationToken ct = default) => GetAsync($"/pools{query}", WireJson.Default.PagePool, ct);

    public Task<Pool> GetPoolAsync(string name, CancellationToken ct = default) => GetAsync($"/pools/{Escape(name)}", WireJson.Default.Pool, ct);

    public Task<Operation> CreatePoolAsync(CreatePool body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/pools?wait={waitSeconds}", body, WireJson.Default.CreatePool, WireJson.Default.Operation, ct);

    public Task<Operation> DeletePoolAsync(string name, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"/pools/{Escape(name)}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);


    public Task<Page<Network>> ListNetworksAsync(string query = "", CancellationToken ct = default) => GetAsync($"/networks{query}", WireJson.Default.PageNetwork, ct);

    public Task<Network> GetNetworkAsync(string name, CancellationToken ct = default) => GetAsync($"/networks/{Escape(name)}", WireJson.Default.Network, ct);

    public Task<Operation> CreateNetworkAsync(NetworkSettings body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/networks?wait={waitSeconds}", body, WireJson.Default.NetworkSettings, WireJson.Default.Operation, ct);

    /// <param name="patch">A JSON merge patch of <see cref="NetworkSettings"/>.</param>
    public Task<Operation> ChangeNetworkAsync(string name, string patch, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Patch, $"/networks/{Escape(name)}?wait={waitSeconds}", WireJson.Default.Operation, new StringContent(patch, Encoding.UTF8, "application/json"), ct);

    public Task<Operation> DeleteNetworkAsync(string name, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"/networks/{Escape(name)}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    public Task<NetworkRepair> RepairNetworksAsync(CancellationToken ct = default) => SendAsync(HttpMethod.Post, "/networks:repair", WireJson.Default.NetworkRepair, null, ct);

    public Task<Page<NicAddress>> ListAddressesAsync(string network, CancellationToken ct = default) =>
        GetAsync($"/networks/{Escape(network)}/addresses", WireJson.Default.PageNicAddress, ct);

    public Task<Page<Forward>> ListForwardsAsync(string network, CancellationToken ct = default) =>
        GetAsync($"/networks/{Escape(network)}/forwards", WireJson.Default.PageForward, ct);

    public Task<Operation> CreateForwardAsync(string network, CreateForward body, int waitSeconds = 0, CancellationToken ct = default) =>
        PostAsync($"/networks/{Escape(network)}/forwards?wait={waitSeconds}", body, WireJson.Default.CreateForward, WireJson.Default.Operation, ct);

    public Task<Operation> DeleteForwardAsync(string network, Id<Forward> forward, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"/networks/{Escape(network)}/forwards/{forward}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    public Task<Page<Policy>> ListPoliciesAsync(string network, CancellationToken ct = default) =>
        GetAsync($"/networks/{Escape(network)}/policies", WireJson.Default.PagePolicy, ct);

    public Task<Operation> PutPolicyAsync(string network, Policy body, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Put, $"/networks/{Escape(network)}/policies/{Escape(body.Name)}?wait={waitSeconds}", WireJson.Default.Operation, JsonContent.Create(body, WireJson.Default.Policy), ct);

    public Task<Operation> DeletePolicyAsync(string network, string policy, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"/networks/{Escape(network)}/policies/{Escape(policy)}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    /// <param name="before">The number of the rule that it comes before; it becomes the last when null.</param>
    public Task<Operation> AddPolicyRuleAsync(string network, string policy, PolicyRule body, int? before = null, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(
            HttpMethod.Post, $"/networks/{Escape(network)}/policies/{Escape(policy)}/rules?wait={waitSeconds}{(before is null ? "" : $"&before={before}")}", WireJson.Default.Operation,
            JsonContent.Create(body, WireJson.Default.PolicyRule), ct);

    public Task<Operation> DeletePolicyRuleAsync(string network, string policy, int number, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Delete, $"/networks/{Escape(network)}/policies/{Escape(policy)}/rules/{number}?wait={waitSeconds}", WireJson.Default.Operation, null, ct);

    /// <param name="number">From 0.</param>
    public Task<Operation> PutPolicyRuleAsync(string network, string policy, int number, PolicyRule body, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(
            HttpMethod.Put, $"/networks/{Escape(network)}/policies/{Escape(policy)}/rules/{number}?wait={waitSeconds}", WireJson.Default.Operation,
            JsonContent.Create(body, WireJson.Default.PolicyRule), ct);

    /// <param name="yaml">Kubernetes NetworkPolicy documents.</param>
    public Task<Operation> ImportPoliciesAsync(string network, string yaml, int waitSeconds = 0, CancellationToken ct = default) => SendAsync(
        HttpMethod.Post, $"/networks/{Escape(network)}/policies:import?wait={waitSeconds}", WireJson.Default.Operation, new StringContent(yaml, Encoding.UTF8, "application/yaml"), ct);

    public Task<PolicyDecision> ExplainAsync(string network, ExplainPolicy body, CancellationToken ct = default) =>
        PostAsync($"/networks/{Escape(network)}/policies:explain", body, WireJson.Default.ExplainPolicy, WireJson.Default.PolicyDecision, ct);

    public Task<Page<Schedule>> ListSchedulesAsync(string query = "", CancellationToken ct = default) => GetAsync($"/schedules{query}", WireJson.Default.PageSchedule, ct);

    public Task<Schedule> GetScheduleAsync(string name, CancellationToken ct = default) => GetAsync($"/schedules/{Escape(name)}", WireJson.Default.Schedule, ct);

    public Task<Schedule> CreateScheduleAsync(ScheduleSettings body, CancellationToken ct = default) =>
        PostAsync("/schedules", body, WireJson.Default.ScheduleSettings, WireJson.Default.Schedule, ct);

    public Task<ScheduleRun> RunScheduleAsync(string name, int waitSeconds = 0, CancellationToken ct = default) =>
        SendAsync(HttpMethod.Post, $"/schedules/{Escape(name)}/run?wait={waitSeconds}", WireJson.Default.ScheduleRun, null, ct);

    public Task<Page<ScheduleRun>> ListScheduleRunsAsync(string name, string query = "", CancellationToken ct = default) =>
        GetAsync($"/schedules/{Escape(name)}/runs{query}", WireJson.Default.PageScheduleRun, ct);

    public Task<SchedulePreview> PreviewScheduleAsync(PreviewSchedule body, CancellationToken ct = default) =>
        PostAsync("/schedules:preview", body, WireJson.Default.PreviewSchedule, WireJson.Default.SchedulePreview, ct);

    public Task<Page<DriverInfo>> ListDriversAsync(CancellationToken ct = default) => GetAsync("/drivers", WireJson.Default.PageDriverInfo, ct);

    public Task<Page<NodeInfo>> ListNodesAsync(CancellationToken ct = default) => GetAsync("/nodes", WireJson.Default.PageNodeInfo, ct);

    public Task<DoctorReport> DoctorAsync(CancellationToken ct = default) => GetAsync("/system/doctor", WireJson.Default.DoctorReport, ct);

    public Task<SystemInfo> GetSystemAsync(CancellationToken ct = default) => GetAsync("/system", WireJson.Default.SystemInfo, ct);

    public Task<SystemHealth> GetHealthAsync(CancellationToken ct = default) => GetAsync("/system/health", WireJson.Default.SystemHealth, ct);

    public Task<Settings> GetSettingsAsync(CancellationToken ct = default) => GetAsync("/system/config", WireJson.Default.Settings, ct);

    /// <summary>A name or id as a segment of a path.</summary>
    public static string Escape(string segment) => Uri.EscapeDataString(segment);

    /// <summary>What stands in the query beside an upload's bytes.</summary>
    public static string UploadQuery(ImportImage about, string? source)
    {
        (string Name, string? Value)[] fields =
        [
            ("name", about.Name), ("sha256", about.Sha256), ("format", Word(about.Format)), ("firmware", Word(about.Firmware)), ("defaultKind", Word(about.DefaultKind)),
            ("architecture", Word(about.Architecture)), ("commandLine", about.CommandLine), ("description", about.Description), ("source", source),
        ];
        return string.Join('&', fields.Where(f => f.Value is not null).Select(f => $"{f.Name}={Escape(f.Value!)}"));
    }

    private static string? Word<T>(T? value)
        where T : struct, Enum => value is { } one ? JsonNamingPolicy.CamelCase.ConvertName(one.ToString()) : null;

    private static string Word(InstanceAction action) => action switch
    {
        InstanceAction.Start => "start",
        InstanceAction.Shutdown => "shutdown",
        InstanceAction.Stop => "stop",
        InstanceAction.Pause => "pause",
        InstanceAction.Resume => "resume",
        InstanceAction.Restart => "restart",
        InstanceAction.Reset => "reset",
        _ => throw new ArgumentOutOfRangeException(nameof(action)),
    };
}
