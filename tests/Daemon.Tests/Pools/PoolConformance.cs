using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Gantry.Daemon.Tests.Pools;

/// <summary>The suite of all operations on those of pools.</summary>
public sealed class PoolCreationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new PoolRig(Database, isCreation: true);
}

public sealed class PoolDeletionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new PoolRig(Database, isCreation: false);
}

internal sealed class PoolRig : OperationRig
{
    private readonly bool _isCreation;
    private readonly TestRoot _root = new();
    private readonly NpgsqlDataSource _source;
    private readonly Db _db;
    private readonly LocalNode _node;
    private readonly PoolStore _store;
    private readonly Id<Pool> _id = Id<Pool>.New();
    private readonly CreatePool _wanted;

    public PoolRig(string database, bool isCreation)
    {
        _isCreation = isCreation;
        _source = NpgsqlDataSource.Create(database);
        _db = new(_source);
        _node = new(NodeContext.Open(GantryRoot.At(_root.Path), TimeProvider.System, NullLoggerFactory.Instance));
        _store = new(_db, NodeIdentity.Open(_node.Context.Root, "here"), _node.Context.Root, TimeProvider.System);
        _wanted = new() { Name = $"p{_id.Value:N}", Kind = PoolKind.Dir, Source = $"{_root.Path}/place" };
        Type = isCreation ? new PoolCreation(_store, _node, new EventLog()) : new PoolDeletion(_node, new EventLog());
    }

    public override OperationType Type { get; }

    public override async Task<Operation> BeginAsync(TestDaemon daemon)
    {
        if (Type is PoolCreation create)
        {
            return await daemon.Operations.BeginAsync(create, new(_id, _wanted), $"pools/{_id}", _wanted.Name, Caller.System, BeginOptions.Default, default);
        }

        await _db.InTransactionAsync(async transaction =>
        {
            await _store.InsertAsync(transaction, _id, _wanted);
            await PoolStore.SetReadyAsync(transaction, _id, ready: true);
        }, default);
        await _node.Context.Pools.OpenAsync(new(_id, _wanted.Kind, _wanted.Source), default);
        return await daemon.Operations.BeginAsync((PoolDeletion)Type, new(_id), $"pools/{_id}", _wanted.Name, Caller.System, BeginOptions.Default, default);
    }

    public override Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) => DifferenceAsync(isThere: !_isCreation);

    public override Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) => DifferenceAsync(isThere: _isCreation);

    public override async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _source.DisposeAsync();
        _root.Dispose();
        await base.DisposeAsync();
    }

    private async Task<IReadOnlyList<string>> DifferenceAsync(bool isThere)
    {
        var row = await _store.TryGetAsync(_id.ToString(), default);
        var (listed, open) = (row is { IsReady: true }, _node.Context.Pools.All().Contains(_id));
        return listed == isThere && open == isThere && (isThere || row is null) ? []
            : [$"it is {(row is null ? "not in the table" : listed ? "listed" : "half in the table")} and {(open ? "open" : "not open")}"];
    }
}
