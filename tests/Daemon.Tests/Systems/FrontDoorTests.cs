using System.Net;
using Gantry.Contracts;
using Gantry.Daemon.Systems;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Systems;

public sealed class FrontDoorTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>, IDisposable
{
    private readonly HttpClient _https = new(new SocketsHttpHandler
    {
        // The certificate is the daemon's own; what is checked is that it is the one the daemon names.
        SslOptions = { RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.GetCertHashString(System.Security.Cryptography.HashAlgorithmName.SHA256).Equals(
            daemon.Services.GetRequiredService<FrontDoors>().CertificateSha256, StringComparison.OrdinalIgnoreCase) },
    })
    { BaseAddress = new(daemon.Services.GetRequiredService<FrontDoors>().HttpsUrl!) };

    public void Dispose() => _https.Dispose();

    [Theory]
    [InlineData("/api/v1/system/health", HttpStatusCode.OK)]
    [InlineData("/api/v1/openapi.json", HttpStatusCode.OK)]
    [InlineData("/api/v1/instances", HttpStatusCode.Unauthorized)]
    [InlineData("/api/v1/system", HttpStatusCode.Unauthorized)]
    [InlineData("/api/v1/events", HttpStatusCode.Unauthorized)]
    [InlineData("/api/v1/nope", HttpStatusCode.Unauthorized)]
    [InlineData("/", HttpStatusCode.Unauthorized)]
    public async Task HTTPS_answers_nobody_but_health_and_the_document(string path, HttpStatusCode status) =>
        (await _https.GetAsync(path)).StatusCode.ShouldBe(status);

    [Fact]
    public async Task A_change_over_HTTPS_is_refused_and_changes_nothing()
    {
        var answer = await _https.PostAsync("/api/v1/instances", new StringContent("""{"name":"sneaky","boot":{"kernel":"/k"}}"""));

        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await daemon.Api.ListInstancesAsync()).Items.ShouldNotContain(i => i.Name == "sneaky");
    }

    [Fact]
    public void Only_root_and_its_group_may_open_the_socket() =>
        (File.GetUnixFileMode(daemon.Node.Context.Root.Socket) & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute)).ShouldBe((UnixFileMode)0);

    [Fact]
    public void Only_root_may_read_the_key_of_the_certificate() =>
        File.GetUnixFileMode($"{daemon.Node.Context.Root.Etc}/tls/server.key").ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);

    [Fact]
    public async Task A_request_keeps_the_id_it_came_with_and_gets_one_otherwise()
    {
        var (_, problem, _) = await daemon.SendAsync(HttpMethod.Get, "/instances/none", null, ("X-Request-Id", "mine-1"));
        problem!.RequestId.ShouldBe("mine-1");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/instances/none") { Headers = { { "X-Request-Id", "mine-2" } } };
        using var answer = await daemon.Http.SendAsync(request);
        answer.Headers.GetValues("X-Request-Id").ShouldBe(["mine-2"]);

        (_, problem, _) = await daemon.SendAsync(HttpMethod.Get, "/instances/none", null, ("X-Request-Id", "bad id"));
        Guid.TryParse(problem!.RequestId, out _).ShouldBeTrue();
    }

    [Fact]
    public async Task An_operation_and_its_events_carry_who_asked_and_the_request_id()
    {
        var seen = daemon.NextEventAsync(EventTypes.InstanceCreated);
        var (_, _, body) = await daemon.SendAsync(HttpMethod.Post, "/instances?wait=60", """{"name":"traced","boot":{"kernel":"/k"}}""", ("X-Request-Id", "trace-7"));

        (body.GetProperty("createdBy").GetString(), body.GetProperty("requestId").GetString()).ShouldBe(("root", "trace-7"));
        ((await seen).Actor, (await seen).RequestId).ShouldBe(("root", "trace-7"));
    }

    [Fact]
    public async Task A_route_or_method_that_is_not_there_is_a_problem_document_too()
    {
        (await daemon.SendAsync(HttpMethod.Get, "/nope")).Problem!.Code.ShouldBe("route.unknown");
        (await daemon.SendAsync(HttpMethod.Put, "/instances", "{}")).Problem!.Code.ShouldBe("route.method");
    }
}
