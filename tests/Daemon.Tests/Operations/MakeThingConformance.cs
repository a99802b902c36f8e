using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Operations;

/// <summary>The suite on two operations of the tests' own: one that makes (reserve, make, publish), one that removes and knows no way back.</summary>
public sealed class MakeThingConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new Rig();

    private sealed class Rig : OperationRig
    {
        private readonly ThingHost _host = new();
        private readonly string _name = $"made-{Id<Operation>.New()}";

        public override OperationType Type => new MakeThing(_host);

        public override async Task<Operation> BeginAsync(TestDaemon daemon)
        {
            await ThingHost.PrepareAsync(daemon);
            return await daemon.BeginAsync((MakeThing)Type, _name);
        }

        public override async Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) =>
            [.. _host.Things, .. await ThingHost.RowsAsync(daemon, _name)];

        public override async Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) =>
            (await ThingHost.RowsAsync(daemon, _name)) is ["ready 1"] && _host.Things is [var only] && only == _name ? [] : ["the thing"];
    }
}

public sealed class RemoveThingConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new Rig();

    private sealed class Rig : OperationRig
    {
        private readonly ThingHost _host = new();
        private readonly string _name = $"removed-{Id<Operation>.New()}";

        public override OperationType Type => new RemoveThing(_host);

        public override async Task<Operation> BeginAsync(TestDaemon daemon)
        {
            await ThingHost.PrepareAsync(daemon);
            await daemon.SqlAsync("insert into things (name, state, published) values (@Name, 'ready', 1)", new { Name = _name });
            _host.Make(_name);
            return await daemon.BeginAsync((RemoveThing)Type, _name);
        }

        public override async Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) =>
            (await ThingHost.RowsAsync(daemon, _name)) is ["ready 1"] && _host.Things.Count == 1 ? [] : ["half removed"];

        public override async Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) =>
            [.. _host.Things, .. await ThingHost.RowsAsync(daemon, _name)];
    }
}

/// <summary>Stands for the machine: things that lie there by name.</summary>
internal sealed class ThingHost
{
    private readonly HashSet<string> _things = [];

    public IReadOnlyList<string> Things
    {
        get
        {
            lock (_things)
            {
                return [.. _things];
            }
        }
    }

    public void Make(string name)
    {
        lock (_things)
        {
            _things.Add(name);
        }
    }

    public void Remove(string name)
    {
        lock (_things)
        {
            _things.Remove(name);
        }
    }

    public static Task PrepareAsync(TestDaemon daemon) =>
        daemon.SqlAsync("create table if not exists things (name text primary key, state text not null, published int not null default 0)");

    public static Task<IReadOnlyList<string>> RowsAsync(TestDaemon daemon, string name) => daemon.Db.WithAsync(async c =>
        (IReadOnlyList<string>)(await c.QueryAsync<string>("select state || ' ' || published from things where name = @Name", new { Name = name })).AsList(), default);
}

internal sealed class MakeThing(ThingHost host) : OperationType<string>
{
    public override string Kind => "thing.make";

    public override IReadOnlyList<Step> Steps(string input) =>
    [
        new DbStep("reserve",
            (t, _, _) => t.Connection!.ExecuteAsync("insert into things (name, state) values (@Name, 'making')", new { Name = input }, t),
            (t, _, _) => t.Connection!.ExecuteAsync("delete from things where name = @Name", new { Name = input }, t)),
        new HostStep("make", (_, _) => Done(() => host.Make(input)), (_, _) => Done(() => host.Remove(input))),
        new DbStep("publish",
            (t, _, _) => t.Connection!.ExecuteAsync("update things set state = 'ready', published = published + 1 where name = @Name", new { Name = input }, t),
            (t, _, _) => t.Connection!.ExecuteAsync("update things set state = 'making' where name = @Name", new { Name = input }, t)),
        new HostStep("look", (_, _) => Task.CompletedTask),
    ];

    private static Task Done(Action work)
    {
        work();
        return Task.CompletedTask;
    }
}

internal sealed class RemoveThing(ThingHost host) : OperationType<string>
{
    public override string Kind => "thing.remove";

    public override IReadOnlyList<Step> Steps(string input) =>
    [
        new DbStep("mark",
            (t, _, _) => t.Connection!.ExecuteAsync("update things set state = 'removing' where name = @Name", new { Name = input }, t),
            (t, _, _) => t.Connection!.ExecuteAsync("update things set state = 'ready' where name = @Name", new { Name = input }, t)),
        new HostStep("remove", (_, _) =>
        {
            host.Remove(input);
            return Task.CompletedTask;
        }) { OnlyForward = true },
        new DbStep("forget", (t, _, _) => t.Connection!.ExecuteAsync("delete from things where name = @Name", new { Name = input }, t)),
    ];
}
