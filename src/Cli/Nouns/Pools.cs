using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry pool</c>: the places where volumes lie.</summary>
internal static class Pools
{
    private const string Path = "/pools";

    public static Command Build(App app) => new Verb(
        "pool", "See, make and delete the places where volumes lie.", "gantry pool list", "gantry pool create fast --kind btrfs --source /srv/fast").With(List(app), Info(app), Creating(app), Delete(app));

    private static Verb List(App app)
    {
        var filter = Lists.Filter("kind eq zfs");
        var limit = Lists.Limit();
        return new Verb("list", "Show the pools.", "gantry pool list").With(filter, limit).Runs(app, (parsed, session, ct) => Lists.ShowAsync(
            session, Path, WireJson.Default.PagePool, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit), pool => pool.Name, pools =>
            {
                var table = new Table("NAME", "KIND", "STATE", ">SIZE", ">FREE", ">USED", "SOURCE", "DESCRIPTION");
                foreach (var pool in pools)
                {
                    table.Add(pool.Name, Words.Of(pool.Kind), pool.Status.Healthy ? "ok" : "broken", Size(pool.Status.TotalBytes), Size(pool.Status.FreeBytes), Used(pool.Status), pool.Source, pool.Description);
                }

                table.Write(session.Out);
            }, ct));
    }

    private static Verb Info(App app)
    {
        var name = Name.Of("pool", app, Path);
        return new Verb("info", "Show one pool, as it is now.", "gantry pool info local").With(name).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(name)!), WireJson.Default.Pool, pool => [pool.Name], pool => new Card()
                .Add("Name", pool.Name)
                .Add("Id", pool.Id.ToString())
                .Add("Kind", Words.Of(pool.Kind))
                .Add("State", pool.Status.Healthy ? "ok" : $"broken: {pool.Status.Message}")
                .Add("Source", pool.Source)
                .Add("Size", Size(pool.Status.TotalBytes))
                .Add("Free", Size(pool.Status.FreeBytes))
                .Add("Used", Used(pool.Status))
                .Add("Volumes", pool.Volumes?.ToString(System.Globalization.CultureInfo.InvariantCulture))
                .Add("Description", pool.Description)
                .Add("Created", Words.Time(pool.CreatedAt))
                .Write(session.Out), ct));
    }

    private static Verb Creating(App app)
    {
        var name = new Argument<string>("NAME") { Description = "What it is called: 1 to 63 of a-z, 0-9 and '-'." };
        var kind = Choose.From("--kind", null, PoolKind.Dir, "What it is: qcow2 files in a directory or on a file server (nfs, cifs, glusterfs), or zfs, btrfs, lvm or ceph, which make snapshots themselves.");
        var source = Choose.Text("--source", "An absolute path, a data set of zfs (tank/gantry), a thin pool of lvm (vg/thin), MONITOR,.../POOL/NAMESPACE of ceph, or SERVER:/EXPORT, //SERVER/SHARE, SERVER:/VOLUME.", "SOURCE");
        source.Required = true;
        var protocol = Choose.Text("--protocol", "The version of NFS or SMB to speak, such as 4.2 or 3.1.1.", "VERSION");
        var credentials = Choose.Text("--credentials", "A file in the node's /etc/gantry/credentials: for cifs with lines username=, password= and domain=, for ceph a keyring.", "NAME");
        var format = Choose.Optional<VolumeFormat>("--format", "What new volumes are files of; for dir, nfs, cifs and glusterfs. Default: qcow2.");
        var description = Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT");
        return new Verb("create", "Make a pool.", "gantry pool create big --source /srv/gantry", "gantry pool create tank --kind zfs --source tank/gantry",
            "gantry pool create shared --kind nfs --source files.example.org:/gantry", "gantry pool create blocks --kind ceph --source 10.0.0.1,10.0.0.2/gantry/site1 --credentials ceph")
            .With(name, kind, source, format, protocol, credentials, description).Runs(app, async (parsed, session, ct) =>
            {
                var mount = new PoolMount(parsed.GetValue(protocol), parsed.GetValue(credentials));
                var body = new CreatePool
                {
                    Name = parsed.GetValue(name)!,
                    Kind = parsed.GetValue(kind),
                    Source = parsed.GetValue(source)!,
                    Description = parsed.GetValue(description),
                    Mount = mount == new PoolMount() ? null : mount,
                    Format = parsed.GetValue(format),
                };
                var begun = await session.SendAsync(HttpMethod.Post, Path, body, WireJson.Default.CreatePool, ct);
                return await Waiting.FinishAsync(session, begun, body.Name, "created", ct);
            });
    }

    private static Verb Delete(App app)
    {
        var names = Name.Many(app, Path);
        names.Arity = ArgumentArity.OneOrMore;
        return new Verb("delete", "Forget pools without volumes; their directories and data sets stay.", "gantry pool delete big").With(names).Runs(app, (parsed, session, ct) =>
            Waiting.EachAsync(session, parsed.GetValue(names)!, name => session.SendAsync(HttpMethod.Delete, PathOf(name), null, ct), "deleted", ct));
    }

    private static string? Size(long? bytes) => bytes is { } size ? Sizes.Format(size) : null;

    private static string? Used(PoolStatus status) => status is { TotalBytes: > 0 and var total, FreeBytes: { } free } ? $"{(total - free) * 100 / total} %" : null;

    private static string PathOf(string name) => $"{Path}/{ApiClient.Escape(name)}";
}
