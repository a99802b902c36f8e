using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Images;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Gantry.Node.Images;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Gantry.Daemon.Tests.Images;

/// <summary>The suite of all operations on those of images, with a recipe that takes no time.</summary>
public sealed class ImageBuildConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new ImageRig(Database, deletes: false);
}

public sealed class ImageDeletionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new ImageRig(Database, deletes: true);
}

internal sealed class ImageRig : OperationRig
{
    private static readonly Dictionary<string, Recipe> Recipes = new()
    {
        ["small"] = new(InstanceKind.Microvm, null, "For tests", (_, into, _, _, ct) => File.WriteAllTextAsync($"{into}/kernel", "not really", ct)),
    };

    private readonly bool _deletes;
    private readonly TestRoot _root = new();
    private readonly NpgsqlDataSource _source;
    private readonly Db _db;
    private readonly LocalNode _node;
    private readonly ImageStore _store;
    private readonly ImageBuild.Input _image = new(Id<Image>.New(), $"m{Guid.CreateVersion7():N}", "small");

    public ImageRig(string database, bool deletes)
    {
        _deletes = deletes;
        _source = NpgsqlDataSource.Create(database);
        _db = new(_source);
        _node = new(NodeContext.Open(GantryRoot.At(_root.Path), TimeProvider.System, NullLoggerFactory.Instance), Recipes);
        _store = new(_db, TimeProvider.System);
        Type = deletes ? new ImageDeletion(_store, new EventLog(), _node) : new ImageBuild(new(_store, new EventLog(), _node), _node);
    }

    public override OperationType Type { get; }

    public override async Task<Operation> BeginAsync(TestDaemon daemon)
    {
        var target = $"images/{_image.Id}";
        if (!_deletes)
        {
            return await daemon.Operations.BeginAsync((ImageBuild)Type, _image, target, _image.Name, Caller.System, BeginOptions.Default, default);
        }

        var files = await _node.BuildImageAsync(_image.Id, "small", _ => { }, default);
        await _db.InTransactionAsync(async transaction =>
        {
            await _store.InsertAsync(transaction, _image.Id, _image.Name);
            await _store.PublishAsync(transaction, _image.Id, files);
        }, default);
        return await daemon.Operations.BeginAsync((ImageDeletion)Type, new(_image.Id), target, _image.Name, Caller.System, BeginOptions.Default, default);
    }

    public override async Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) => await IsThereAsync(_deletes);

    public override async Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) => await IsThereAsync(!_deletes);

    public override async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _source.DisposeAsync();
        _root.Dispose();
        await base.DisposeAsync();
    }

    /// <summary>Row and folder are both there, whole, or both not; else what is.</summary>
    private async Task<IReadOnlyList<string>> IsThereAsync(bool wanted)
    {
        var folders = Directory.EnumerateFileSystemEntries(_node.Context.Root.Images).Select(f => Path.GetFileName(f)!).ToList();
        var rows = (await _store.ListAsync(new(1000, null, $"name eq {_image.Name}"), default)).Items.Select(i => $"{i.Name} {i.State}").ToList();
        return wanted
            ? rows is [var row] && row == $"{_image.Name} Ready" && folders is [var folder] && folder == $"{_image.Id}" ? [] : [.. rows, .. folders, "not whole"]
            : [.. rows, .. folders];
    }
}
