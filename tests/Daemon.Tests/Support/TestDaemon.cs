using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Gantry.Daemon.Tests.Support;

/// <summary>Operations and events of one daemon over a database, without the rest of it. Several may share the database.</summary>
internal sealed class TestDaemon : IAsyncDisposable
{
    public static readonly OperationOptions Impatient = new()
    {
        FirstPause = TimeSpan.FromMilliseconds(5),
        LongestPause = TimeSpan.FromMilliseconds(40),
        LookEvery = TimeSpan.FromMilliseconds(40),
        RenewEvery = TimeSpan.FromMilliseconds(40),
        ProgressEvery = TimeSpan.FromMilliseconds(10),
        UndoTries = 3,
    };

    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private readonly NpgsqlDataSource _source;
    private readonly EventSequencer _sequencer;

    public TestDaemon(string connectionString, IEnumerable<OperationType> types, string name = "one", OperationOptions? options = null)
    {
        _source = NpgsqlDataSource.Create(connectionString);
        Db = new(_source);
        var owner = new OperationOwner("node", name, Guid.CreateVersion7());
        Store = new(Db, owner, options ?? Impatient);
        Tools = new(Store, new(types), owner, options ?? Impatient, Failpoints, TimeProvider.System, new TestLogger<OperationRunner>(name));
        Runner = new(Tools);
        Operations = new(Store, Runner, Tools);
        EventStore = new(Db);
        Feed = new(EventStore);
        _sequencer = new(Db, EventStore, Feed, TimeProvider.System, new TestLogger<EventSequencer>(name));
    }

    public Db Db { get; }
    public Failpoints Failpoints { get; } = new();
    public OperationStore Store { get; }
    public OperationTools Tools { get; }
    public OperationRunner Runner { get; }
    public Daemon.Operations.Operations Operations { get; }
    public EventStore EventStore { get; }
    public EventFeed Feed { get; }
    public EventLog Log { get; } = new();

    public static async Task<TestDaemon> StartAsync(
        string connectionString, IEnumerable<OperationType> types, string name = "one", OperationOptions? options = null, Action<Failpoints>? failpoints = null)
    {
        var daemon = new TestDaemon(connectionString, types, name, options);
        failpoints?.Invoke(daemon.Failpoints);
        await daemon.Runner.StartAsync(default);
        await daemon._sequencer.StartAsync(default);
        return daemon;
    }

    public Task<Operation> BeginAsync(OperationType<string> type, string target, BeginOptions? options = null, string caller = "ann") =>
        Operations.BeginAsync(type, target, $"things/{target}", target, new Caller(caller, "request-1"), options ?? BeginOptions.Default, default);

    public async Task<Operation> EndOfAsync(Operation operation)
    {
        var ended = await Operations.WaitAsync(operation.Id, Deadline, default);
        ended.IsFinished().ShouldBeTrue($"{ended.Kind} is {ended.State} at '{ended.Step}'");
        return ended;
    }

    public Task SqlAsync(string sql, object? parameters = null) => Db.WithAsync(c => c.ExecuteAsync(sql, parameters), default);

    public Task<T> QueryAsync<T>(string sql, object? parameters = null) => Db.WithAsync(async c => await c.QuerySingleAsync<T>(sql, parameters), default);

    /// <summary>As SIGTERM does.</summary>
    public async Task StopAsync()
    {
        await Runner.StopAsync(default);
        await _sequencer.StopAsync(default);
    }

    /// <summary>Leaves the rows as a crash does: what ran still says running, under a lease that nobody gave up.</summary>
    public async Task CrashAsync()
    {
        await StopAsync();
        await SqlAsync("update operations set lease_until = now() + interval '1 hour' where state in (2, 5)");
    }

    /// <summary>The numbered events after one, read as a client would until there are so many of the types asked for.</summary>
    public async Task<List<Event>> EventsAsync(long since, int count, params string[] types)
    {
        using var deadline = new CancellationTokenSource(Deadline, TimeProvider.System);
        var found = new List<Event>();
        for (var cursor = since; found.Count < count;)
        {
            var page = await Feed.NextAsync(cursor, deadline.Token);
            page.Missed.ShouldBe(0);
            found.AddRange(page.Events.Where(e => types.Length == 0 || types.Contains(e.Type)));
            cursor = page.Cursor;
        }

        return found;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Feed.Dispose();
        await _source.DisposeAsync();
    }
}

/// <summary>Writes beside the test's result what a daemon has to complain about.</summary>
internal sealed class TestLogger<T>(string daemon) : ILogger<T>
{
    private readonly ITestOutputHelper? _output = TestContext.Current.TestOutputHelper;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            _output?.WriteLine($"{daemon} {logLevel}: {formatter(state, exception)} {exception}");
        }
        catch (InvalidOperationException)
        {
            // The test has ended.
        }
    }
}

/// <summary>An operation whose table a test writes.</summary>
internal sealed class Scripted(string kind, params Step[] steps) : OperationType<string>
{
    public override string Kind { get; } = kind;

    public override IReadOnlyList<Step> Steps(string input) => steps;
}

/// <summary>A step that tells it has begun and then waits until the test lets it go on, or its token ends it.</summary>
internal sealed class Gate
{
    private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _interrupted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Entered => _entered.Task.WaitAsync(TestDaemon.Deadline, TimeProvider.System);

    public Task Interrupted => _interrupted.Task.WaitAsync(TestDaemon.Deadline, TimeProvider.System);

    public void Open() => _open.TrySetResult();

    public async Task PassAsync(CancellationToken ct)
    {
        _entered.TrySetResult();
        try
        {
            await _open.Task.WaitAsync(ct);
        }
        catch (OperationCanceledException)
        {
            _interrupted.TrySetResult();
            throw;
        }
    }
}

/// <summary>A class of tests with a database of its own.</summary>
public abstract class DatabaseTests(TestPostgres postgres) : IAsyncLifetime
{
    protected string Database { get; private set; } = "";

    public virtual async ValueTask InitializeAsync() => Database = await postgres.NewDatabaseAsync();

    public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
