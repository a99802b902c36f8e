using Gantry.Daemon;
using Gantry.Daemon.Config;
using Gantry.Node;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gantry.Repo.Tests;

/// <summary>The daemon put together on a root of its own but not started: its routes can be looked at.</summary>
public sealed class BuiltDaemon : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("gantry-repo-").FullName;
    private readonly WebApplication _app;

    public BuiltDaemon()
    {
        var root = GantryRoot.At(_root);
        var loaded = ConfigLoader.Load(root, null, ["https.listen=off"], _ => null);
        _app = GantryDaemon.Build(NodeContext.Open(root, TimeProvider.System, NullLoggerFactory.Instance), loaded);
    }

    public IReadOnlyList<RouteEndpoint> Routes =>
        [.. ((IEndpointRouteBuilder)_app).DataSources.SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()];

    public void Dispose()
    {
        ((IDisposable)_app).Dispose();
        Directory.Delete(_root, recursive: true);
    }
}
