using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Networks;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Gantry.Daemon.Tests.Networks;

/// <summary>The suite of all operations on those of networks.</summary>
public sealed class NetworkCreationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new NetworkRig(Database, "create");
}

public sealed class NetworkConfigurationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new NetworkRig(Database, "configure");
}

public sealed class NetworkDeletionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new NetworkRig(Database, "delete");
}

internal sealed class NetworkRig : OperationRig
{
    private static readonly Policy Added = new() { Name = "added", Isolates = [PolicyDirection.In] };

    private readonly string _what;
    private readonly TestRoot _root = new();
    private readonly NpgsqlDataSource _source;
    private readonly Db _db;
    private readonly LocalNode _node;
    private readonly NetworkStore _store;
    private readonly NetworkSync _sync;
    private readonly Id<Network> _id = Id<Network>.New();
    private readonly NetworkSettings _settings;

    public NetworkRig(string database, string what)
    {
        _what = what;
        _source = NpgsqlDataSource.Create(database);
        _db = new(_source);
        _node = new(NodeContext.Open(GantryRoot.At(_root.Path), TimeProvider.System, NullLoggerFactory.Instance));
        _store = new(_db, NodeIdentity.Open(_node.Context.Root, "here"), TimeProvider.System);
        _sync = new(_store, new AddressStore(_db, _store), _node);

        // Each has a subnet of its own, since the rigs of a class share a database.
        var own = _id.Value.ToByteArray();
        _settings = new() { Name = $"n{Guid.CreateVersion7():N}", Kind = NetworkKind.Nat, Ipv4 = $"10.{own[^1]}.{own[^2]}.1/24", Domain = "test.gantry" };
        Type = what switch
        {
            "create" => new NetworkCreation(_store, _sync, new EventLog()),
            "configure" => new NetworkConfiguration(_store, _sync, new EventLog()),
            _ => new NetworkDeletion(_store, _sync, new EventLog()),
        };
    }

    public override OperationType Type { get; }

    private string Target => $"networks/{_id}";

    public override async Task<Operation> BeginAsync(TestDaemon daemon)
    {
        if (Type is NetworkCreation create)
        {
            return await daemon.Operations.BeginAsync(create, new(_id, _settings), Target, _settings.Name, Caller.System, BeginOptions.Default, default);
        }

        await _db.InTransactionAsync(async transaction =>
        {
            await _store.InsertAsync(transaction, _id, _settings);
            await _store.SetReadyAsync(transaction, _id, ready: true);
        }, default);
        await _sync.ApplyAsync([_id], default);
        var found = await _store.GetAsync(_settings.Name, default);
        return Type is NetworkConfiguration configure
            ? await configure.BeginAsync(daemon.Operations, found, new(Policies: [Added]), Caller.System, BeginOptions.Default, default)
            : await daemon.Operations.BeginAsync((NetworkDeletion)Type, new(_id), Target, _settings.Name, Caller.System, BeginOptions.Default, default);
    }

    public override Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) => DifferenceAsync(_what switch { "create" => null, "configure" => [], _ => (string[]?)[] });

    public override Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) => DifferenceAsync(_what switch { "create" => [], "configure" => [Added.Name], _ => (string[]?)null });

    public override async ValueTask DisposeAsync()
    {
        _sync.Dispose();
        await _node.DisposeAsync();
        await _source.DisposeAsync();
        _root.Dispose();
        await base.DisposeAsync();
    }

    /// <summary>The table and the node both say so; else what they say.</summary>
    /// <param name="policies">The network's; null when it is not to be there.</param>
    private async Task<IReadOnlyList<string>> DifferenceAsync(string[]? policies)
    {
        var row = await _store.TryGetAsync(_id.ToString(), default);
        var spec = _node.Networks.All().FirstOrDefault(n => n.Id == _id);
        var (listed, told) = (row is { IsReady: true } ? row.Policies.Select(p => p.Name).ToList() : null, spec?.Policies.Select(p => p.Name).ToList());
        return Same(listed) && Same(told) && (policies is not null || row is null) ? []
            : [$"the table says {Said(listed)}, the node {Said(told)}, and it should be {Said(policies)}"];

        bool Same(List<string>? names) => policies is null ? names is null : names is not null && names.SequenceEqual(policies);
        static string Said(IEnumerable<string>? names) => names is null ? "nothing" : $"[{string.Join(", ", names)}]";
    }
}
