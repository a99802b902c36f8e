using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Postgres;
using Gantry.Node;

namespace Gantry.Daemon.Systems;

internal static class SystemApi
{
    public static void MapSystem(this IEndpointRouteBuilder api)
    {
        var system = api.MapGroup("/system").WithTags("System");
        system.MapGet("/", Info).Produces<SystemInfo>().Requires(Privilege.SystemAudit);
        system.MapGet("/health", Health).Produces<SystemHealth>().Produces<SystemHealth>(503).Requires(Privilege.None);
        system.MapGet("/doctor", (Doctor doctor, CancellationToken ct) => doctor.ExamineAsync(ct)).Produces<DoctorReport>().Requires(Privilege.SystemAudit);
        system.MapGet("/config", (ConfigLoader.Loaded config) => config.Settings).Produces<Settings>().Requires(Privilege.SystemAudit);
        api.MapOpenApi("/openapi.json").CacheOutput().Requires(Privilege.None);
    }

    private static SystemInfo Info(GantryRoot root, NodeIdentity node, FrontDoors doors, StartedAt started) => new(
        typeof(SystemApi).Assembly.GetName().Version!.ToString(3), node.Id, node.Name, root.Path, doors.HttpsUrl, doors.CertificateSha256, started.Time, Environment.ProcessId);

    /// <summary>200 once requests can be served; 503 before, and while the database is away. The reason is not for strangers.</summary>
    private static async Task<IResult> Health(HttpContext http, DatabaseSupervisor database, Db db, CancellationToken ct)
    {
        var trouble = database.Trouble ?? (db.Ready.IsCompleted ? await TryAsync() : "Instances are being taken up.");
        return TypedResults.Json(new SystemHealth(trouble is null ? "ok" : "degraded", LocalPeers.NameOf(http) is null ? null : trouble), WireJson.Default.SystemHealth, statusCode: trouble is null ? 200 : 503);

        async Task<string?> TryAsync()
        {
            try
            {
                await db.WithAsync(_ => Task.FromResult(0), ct);
                return null;
            }
            catch (Refusal refusal)
            {
                return refusal.Message;
            }
        }
    }
}

/// <summary>When this daemon started.</summary>
internal sealed record StartedAt(DateTimeOffset Time);
