using System.Text.Json;
using System.Text.Json.Serialization;
using Gantry.Contracts;
using Gantry.Daemon.Clones;
using Gantry.Daemon.Config;
using Gantry.Daemon.Consoles;
using Gantry.Daemon.Events;
using Gantry.Daemon.Images;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Networks;
using Gantry.Daemon.Nodes;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Daemon.Postgres;
using Gantry.Daemon.Quotas;
using Gantry.Daemon.Snapshots;
using Gantry.Daemon.Schedules;
using Gantry.Daemon.Systems;
using Gantry.Daemon.Templates;
using Gantry.Node;
using Gantry.Node.Images;
using Gantry.Node.Networks;
using Npgsql;

namespace Gantry.Daemon;

/// <summary>The composition root and table of contents: one line an area.</summary>
internal static class GantryDaemon
{
    /// <summary>Runs until SIGTERM or SIGINT; guests go on.</summary>
    /// <exception cref="Refusal"><c>root.in_use</c></exception>
    public static async Task RunAsync(GantryRoot root, ConfigLoader.Loaded loaded, CancellationToken ct)
    {
        using var logs = LoggerFactory.Create(logging => AddLogs(logging, loaded.Config));
        var context = NodeContext.Open(root, TimeProvider.System, logs, loaded.Config.Isolation);
        using var onlyMe = RootLock.Take(root);
        await using var app = Build(context, loaded, NotifySocket.TakeFromEnvironment());
        await app.RunAsync(ct);
    }

    /// <param name="notify">Whom to tell how the daemon is; nobody when left out.</param>
    public static WebApplication Build(NodeContext context, ConfigLoader.Loaded loaded, NotifySocket? notify = null)
    {
        var (root, config, time) = (context.Root, loaded.Config, context.Time);
        context = context with { SerialLogBytes = config.ConsoleLogSize };
        // Empty: no appsettings.json that would be watched for, no variable of somebody else's that changes what is served.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        AddLogs(builder.Logging, config);
        var doors = new FrontDoors(root, config, time);
        builder.WebHost.UseKestrel(doors.Listen).UseSockets(sockets => sockets.MaxWriteBufferSize = FrontDoors.PageBytes);

        var services = builder.Services;
        services.AddSingleton(root).AddSingleton(loaded).AddSingleton(config).AddSingleton(time).AddSingleton(new StartedAt(time.GetUtcNow()));
        services.AddSingleton(NodeIdentity.Open(root, config.NodeName)).AddSingleton(context).AddSingleton<LocalNode>().AddSingleton(doors);
        services.AddRouting().AddProblemDetails().AddExceptionHandler<Problems>();
        services.AddOutputCache();
        services.AddOpenApi("v1", api => api.AddDocumentTransformer((document, _, _) =>
        {
            (document.Info.Title, document.Info.Version) = ("Gantry", typeof(GantryDaemon).Assembly.GetName().Version!.ToString(3));
            return Task.CompletedTask;
        }));
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, WireJson.Default);
            json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
            json.SerializerOptions.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase));
        });
        services.Configure<HostOptions>(host =>
        {
            host.ShutdownTimeout = TimeSpan.FromMinutes(2);

            // A loop that ends by a fault is logged as critical; ending the daemon with it would take the way to repair it.
            host.BackgroundServiceExceptionBehavior = BackgroundServiceExceptionBehavior.Ignore;
        });
        AddDatabase(services, root, context, config);
        AddAreas(services, config);
        services.AddSingleton(notify ?? new(null, null)).AddHostedService<ServiceManager>();

        var app = builder.Build();
        app.UseRequestIds().UseExceptionHandler().UseStatusCodePages(status => Problems.WriteStatusAsync(status.HttpContext)).UseRouting().UseSignIn().UseOutputCache().UseWebSockets();
        Map(app.MapGroup(ApiClient.Base));
        app.Lifetime.ApplicationStarted.Register(doors.Guard);
        return app;
    }

    private static void AddLogs(ILoggingBuilder logging, GantryConfig config) =>
        logging.ClearProviders().AddJsonConsole(json =>
        {
            json.IncludeScopes = true;
            json.UseUtcTimestamp = true;
            json.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
        }).SetMinimumLevel(config.LogLevel).AddFilter("Microsoft", LogLevel.Warning).AddFilter("Npgsql", LogLevel.Error);

    private static void AddDatabase(IServiceCollection services, GantryRoot root, NodeContext context, GantryConfig config)
    {
        var server = config.DatabaseConnection is null ? new PostgresServer(root, context.Shell) : null;
        services.AddSingleton(NpgsqlDataSource.Create(config.DatabaseConnection ?? server!.ConnectionString()));
        services.AddSingleton(p => new Db(p.GetRequiredService<NpgsqlDataSource>(), ready: false));
        services.AddSingleton(p => ActivatorUtilities.CreateInstance<DatabaseSupervisor>(p, [.. server is null ? (object[])[] : [server]]));
        services.AddHostedService(p => p.GetRequiredService<DatabaseSupervisor>());
    }

    /// <summary>In the order in which they start; they stop in reverse, the database last.</summary>
    private static void AddAreas(IServiceCollection services, GantryConfig config)
    {
        services.AddSingleton<EventLog>().AddSingleton<EventStore>().AddSingleton<EventFeed>().AddHostedService<EventSequencer>();
        services.AddSingleton<OperationTools>(ToolsOf).AddSingleton<OperationTypes>().AddSingleton<OperationStore>().AddSingleton<Operations.Operations>();
        services.AddSingleton<OperationRunner>().AddHostedService(p => p.GetRequiredService<OperationRunner>()).AddHostedService<RetentionWorker>();
        services.AddSingleton(Failpoints.FromEnvironment()).AddSingleton(new OperationOptions { Concurrency = config.OperationsConcurrency });
        services.AddSingleton(new Retention(config.RetentionOperations, config.RetentionEvents));
        services.AddSingleton(p => OperationOwner.Of(p.GetRequiredService<NodeIdentity>()));
        services.AddSingleton(new ImageSettings(config.ImagesMaxSize, config.ImagesLinkLocal)).AddSingleton<ImageStore>().AddSingleton<ImageSteps>().AddHostedService<ImageWorkshops>();
        services.AddOperation<ImageBuild>().AddOperation<ImageImport>().AddOperation<ImageDeletion>().AddOperation<InstanceCapture>();
        services.AddSingleton<InstanceStore>().AddSingleton<InstancePages>().AddSingleton<InstanceStates>().AddSingleton<MachinePlan>().AddSingleton<NicPlan>().AddSingleton<InstanceNics>().AddSingleton<VolumeRows>().AddSingleton<InstanceLayers>().AddSingleton<InstancePlan>().AddSingleton<InstanceActor>();
        services.AddSingleton<TemplateStore>().AddSingleton<TemplateSources>().AddSingleton<TemplateLayers>(p => p.GetRequiredService<TemplateStore>().LayersAsync);
        services.AddOperation<InstanceCreation>().AddOperation<InstanceStart>().AddOperation<InstanceShutdown>().AddOperation<InstanceStop>();
        services.AddOperation<InstancePause>().AddOperation<InstanceResume>().AddOperation<InstanceRestart>().AddOperation<InstanceReset>();
        services.AddOperation<VolumeAddition>().AddOperation<VolumeConfiguration>().AddOperation<VolumeMove>().AddOperation<VolumeRemoval>();
        services.AddOperation<VolumeAttachment>().AddOperation<VolumeDetachment>();
        services.AddOperation<CloudInitChange>().AddOperation<NicAddition>().AddOperation<NicRemoval>().AddOperation<NicLimiting>();
        services.AddOperation<InstanceRename>().AddOperation<InstanceResize>().AddOperation<InstanceDeletion>().AddHostedService<InstanceWatcher>().AddHostedService<InstancePagesWorker>();
        services.AddSingleton<PoolStore>().AddOperation<PoolCreation>().AddOperation<PoolDeletion>();
        services.AddSingleton<PoolVolumeStore>().AddOperation<PoolVolumeCreation>().AddOperation<PoolVolumeChange>().AddOperation<PoolVolumeDeletion>();
        services.AddSingleton<PoolKeeper>().AddHostedService(p => p.GetRequiredService<PoolKeeper>());
        services.AddSingleton<SnapshotStore>().AddOperation<SnapshotCreation>().AddOperation<SnapshotRestoration>().AddOperation<SnapshotDeletion>().AddOperation<SnapshotVerification>();
        services.AddSingleton<SnapshotTaking>().AddSingleton<SnapshotSizes>().AddSingleton<SnapshotOverview>();
        services.AddSingleton<QuotaStore>().AddSingleton<QuotaItems>().AddSingleton<QuotaRoom>().AddSingleton<QuotaDeletions>().AddOperation<QuotaEnforcement>();
        services.AddSingleton<DemandSnapshotRoom>(p => (transaction, id, name, pools) => QuotaRoom.DemandAsync(p.GetRequiredService<QuotaStore>(), transaction, id, name, pools));
        services.AddSingleton<MakeSnapshotRoom>(p => p.GetRequiredService<QuotaRoom>().MakeAsync);
        services.AddSingleton<DeleteForQuota>(p => (wanted, enforcement, ct) => p.GetRequiredService<QuotaDeletions>().DeleteAsync(wanted, enforcement, ct)); // which needs the operations, which need this
        services.AddSingleton<QuotaKeeper>().AddHostedService(p => p.GetRequiredService<QuotaKeeper>());
        services.AddSingleton<ClonePlan>().AddOperation<InstanceCloning>().AddOperation<InstancePromotion>();
        services.AddSingleton<NetworkStore>().AddSingleton<AddressStore>().AddSingleton<NetworkPlan>().AddSingleton<NetworkSync>();
        services.AddSingleton<INodeNetworks>(p => NodeNetworks.Of(config.NetworkDriver, p.GetRequiredService<NodeContext>()));
        services.AddOperation<NetworkCreation>().AddOperation<NetworkConfiguration>().AddOperation<NetworkDeletion>();
        services.AddSingleton<NetworkKeeper>().AddHostedService(p => p.GetRequiredService<NetworkKeeper>());
        services.AddSingleton<ScheduleStore>().AddSingleton<ScheduleRunStore>().AddSingleton<ScheduleTargets>().AddSingleton<ScheduleClaims>().AddSingleton<ScheduleRunner>();
        services.AddSingleton<IScheduledAction, ScheduledPower>().AddSingleton<IScheduledAction, ScheduledSnapshots>().AddSingleton<InstanceGone>(p => p.GetRequiredService<ScheduleStore>().DeleteOfAsync);
        services.AddHostedService<ScheduleWorker>();
        services.AddSingleton<ConsoleTickets>().AddSingleton<OpenConsoles>().AddSingleton<ConsoleSessions>();
        services.AddSingleton<Doctor>().AddHostedService<DaemonEvents>();
    }

    private static OperationTools ToolsOf(IServiceProvider services) => new(
        services.GetRequiredService<OperationStore>(), services.GetRequiredService<OperationTypes>(), services.GetRequiredService<OperationOwner>(),
        services.GetRequiredService<OperationOptions>(), services.GetRequiredService<Failpoints>(), services.GetRequiredService<TimeProvider>(),
        services.GetRequiredService<ILogger<OperationRunner>>())
    { Ready = services.GetRequiredService<Db>().Ready };

    private static IServiceCollection AddOperation<TOperation>(this IServiceCollection services)
        where TOperation : OperationType =>
        services.AddSingleton<TOperation>().AddSingleton<OperationType>(p => p.GetRequiredService<TOperation>());

    private static void Map(IEndpointRouteBuilder api)
    {
        api.MapInstances();
        api.MapSnapshots();
        api.MapSnapshotOverview();
        api.MapQuotas();
        api.MapClones();
        api.MapConsoles();
        api.MapImages();
        api.MapTemplates();
        api.MapPools();
        api.MapNetworks();
        api.MapSchedules();
        api.MapCapture();
        api.MapNodes();
        api.MapOperations();
        api.MapEvents();
        api.MapSystem();
    }
}
