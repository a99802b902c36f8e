using Gantry.Contracts;
using Gantry.Daemon.Postgres;
using Gantry.Daemon.Systems;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Gantry.Node.Host;

namespace Gantry.Daemon.Tests.Systems;

/// <summary>What a daemon lives through: restarts, a database that goes away, a damaged folder, a second daemon.</summary>
public sealed class DaemonLifeTests(TestPostgres postgres)
{
    [Fact]
    public void A_second_daemon_on_one_root_is_refused()
    {
        using var root = new TestRoot();
        var where = GantryRoot.At(root.Path);
        Directory.CreateDirectory(where.Run);
        using var first = RootLock.Take(where);

        Should.Throw<Refusal>(() => RootLock.Take(where)).Code.ShouldBe("root.in_use");
        File.ReadAllText(where.PidFile).Trim().ShouldBe($"{Environment.ProcessId}");
    }

    [Fact]
    public async Task What_runs_goes_on_through_a_restart_and_one_damaged_folder_harms_no_other()
    {
        await using var daemon = new RunningDaemon(postgres);
        await daemon.InitializeAsync();
        await daemon.GivenInstanceAsync("fine", InstanceState.Running);
        await daemon.GivenInstanceAsync("resting");
        var garbled = await daemon.GivenInstanceAsync("garbled", InstanceState.Running);
        var missing = await daemon.GivenInstanceAsync("missing");
        var auto = (await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(RunningDaemon.A("auto") with { AutoStart = true, StartNow = true }, 60))).TargetName;
        var autoId = (await daemon.Api.GetInstanceAsync(auto)).Id;

        await daemon.RestartAsync(() =>
        {
            File.WriteAllText($"{daemon.Node.Context.Folders.Data(garbled.Id)}/spec.json", "{ not json");
            Directory.Delete(daemon.Node.Context.Folders.Data(missing.Id), recursive: true);
            Directory.Delete(daemon.Node.Context.Folders.Run(autoId), recursive: true);
        });

        (await daemon.Api.GetInstanceAsync("fine")).State.ShouldBe(InstanceState.Running);
        (await daemon.Api.GetInstanceAsync("resting")).State.ShouldBe(InstanceState.Stopped);
        foreach (var name in (string[])["garbled", "missing"])
        {
            var broken = await daemon.Api.GetInstanceAsync(name);
            broken.State.ShouldBe(InstanceState.Error);
            broken.StateReason.ShouldNotBeNullOrEmpty();
            await RunningDaemon.RefusedAsync(() => daemon.Api.ActOnInstanceAsync(name, InstanceAction.Start, 60));
            (await daemon.Api.GetInstanceAsync(name)).State.ShouldBe(InstanceState.Error);
            await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync(name, force: false, 60));
        }

        await Eventually.ShouldBeAsync(async () => (await daemon.Api.GetInstanceAsync(auto)).State, InstanceState.Running);
    }

    [Fact]
    public async Task While_the_database_is_gone_requests_get_503_and_afterwards_answers_again()
    {
        using var root = new TestRoot();
        var server = new Postgres.PostgresServer(GantryRoot.At(root.Path), new Shell(TimeProvider.System));
        Directory.CreateDirectory(GantryRoot.At(root.Path).Data);
        Directory.CreateDirectory(GantryRoot.At(root.Path).Run);
        await server.StartAsync(default);
        try
        {
            await using var daemon = new RunningDaemon(postgres) { Database = server.ConnectionString("postgres") };
            await daemon.InitializeAsync();
            await daemon.GivenInstanceAsync("patient", InstanceState.Running);

            await server.StopAsync(default);
            var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.ListOperationsAsync());
            (refusal.Status, refusal.Code).ShouldBe((503, "database.unavailable"));
            (await daemon.SendAsync(HttpMethod.Get, "/system/health")).Status.ShouldBe(503);

            await server.StartAsync(default);
            await Eventually.ShouldBeAsync(async () => (await daemon.SendAsync(HttpMethod.Get, "/system/health")).Status, 200);
            (await daemon.Api.GetInstanceAsync("patient")).State.ShouldBe(InstanceState.Running);
            await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("patient", InstanceAction.Stop, 60));
        }
        finally
        {
            await server.StopAsync(default);
        }
    }

    [Fact]
    public async Task The_private_database_is_started_again_when_it_is_killed_and_stopped_with_the_daemon()
    {
        await using var daemon = new RunningDaemon(postgres) { Database = null };
        await daemon.InitializeAsync();
        await daemon.GivenInstanceAsync("kept");
        var server = new Postgres.PostgresServer(daemon.Node.Context.Root, new Shell(TimeProvider.System));
        var first = server.Pid.ShouldNotBeNull();

        Posix.Kill(first, Posix.SigKill).ShouldBeTrue();

        await Eventually.ShouldBeAsync(() => Task.FromResult(server.Pid is { } pid && pid != first), true);
        await Eventually.ShouldBeAsync(async () => (await daemon.SendAsync(HttpMethod.Get, "/instances/kept")).Status, 200);
        await daemon.StopAsync();
        server.Pid.ShouldBeNull();
    }

    [Fact]
    public async Task Who_waits_for_an_operation_is_answered_when_the_daemon_stops()
    {
        await using var daemon = new RunningDaemon(postgres);
        await daemon.InitializeAsync();
        await daemon.GivenInstanceAsync("slow");
        var begun = new TaskCompletionSource();
        daemon.Sim.Before = (call, _, ct) =>
        {
            begun.TrySetResult();
            return call == "start" ? Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct) : Task.CompletedTask;
        };
        var asked = daemon.SendAsync(HttpMethod.Post, "/instances/slow/start?wait=120");
        await begun.Task;

        var stopped = daemon.StopHostAsync();

        (await asked.WaitAsync(TimeSpan.FromSeconds(60))).Status.ShouldBe(202);
        await stopped;
    }

    [Fact]
    public async Task The_database_may_lie_behind_a_link()
    {
        using var root = new TestRoot();
        var where = GantryRoot.At(root.Path);
        Directory.CreateDirectory($"{root.Path}/elsewhere");
        Directory.CreateSymbolicLink(where.Data, $"{root.Path}/elsewhere");
        Directory.CreateDirectory(where.Run);
        var server = new Postgres.PostgresServer(where, new Shell(TimeProvider.System));

        await server.StartAsync(default);
        server.Pid.ShouldNotBeNull();
        await server.StopAsync(default);

        server.Pid.ShouldBeNull();
    }

    [Fact]
    public async Task A_missing_server_and_one_of_another_version_are_refused_by_name()
    {
        using var root = new TestRoot();
        var where = GantryRoot.At(root.Path);
        Directory.CreateDirectory($"{where.Data}/postgres");
        var shell = new Shell(TimeProvider.System);

        (await RunningDaemon.RefusedAsync(() => new Postgres.PostgresServer(where, shell, "/nowhere").StartAsync(default))).Code.ShouldBe("postgres.missing");
        File.WriteAllText($"{where.Data}/postgres/PG_VERSION", "9.6\n");
        (await RunningDaemon.RefusedAsync(() => new Postgres.PostgresServer(where, shell).StartAsync(default))).Code.ShouldBe("postgres.other_version");
    }
}
