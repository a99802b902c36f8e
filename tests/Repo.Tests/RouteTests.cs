using Gantry.Contracts;
using Microsoft.AspNetCore.Routing;

namespace Gantry.Repo.Tests;

/// <summary>The daemon's routes as it really maps them.</summary>
public class RouteTests(BuiltDaemon daemon) : IClassFixture<BuiltDaemon>
{
    private IReadOnlyList<(string Method, string Path, Privilege? Privilege)> Routes =>
    [
        .. from route in daemon.Routes
           let path = "/" + route.RoutePattern.RawText!.Trim('/')
           from method in route.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["ANY"]
           orderby path, method
           select (method, path, route.Metadata.OfType<Privilege>().Select(p => (Privilege?)p).LastOrDefault()),
    ];

    [Fact]
    public void Every_route_names_its_privilege() =>
        Routes.Where(r => r.Privilege is null).Select(r => $"{r.Method} {r.Path}").ShouldBeEmpty();

    [Fact]
    public void Only_health_and_the_api_document_ask_for_no_sign_in() =>
        Routes.Where(r => r.Privilege == Privilege.None).Select(r => r.Path)
            .ShouldBe([$"{ApiClient.Base}/openapi.json", $"{ApiClient.Base}/system/health"]);

    [Fact]
    public void Every_route_lies_below_the_api() =>
        Routes.Where(r => !r.Path.StartsWith($"{ApiClient.Base}/", StringComparison.Ordinal)).ShouldBeEmpty();

    [Fact]
    public void The_list_of_routes_is_as_documented() => Golden.ShouldMatch("docs/api/routes.md", $"""
        # Routes

        Every route and the privilege it demands, as the daemon maps them (a test compares; `GANTRY_UPDATE_GOLDEN=1` writes this page).

        | Method | Path | Privilege |
        |---|---|---|
        {string.Join('\n', Routes.Select(r => $"| {r.Method} | `{r.Path}` | {r.Privilege} |"))}
        """);
}
