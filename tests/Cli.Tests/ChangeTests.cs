using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli.Tests;

public sealed class ChangeTests
{
    private static async Task<FakeDaemon> GivenAsync(string route, string? result = null) => (await FakeDaemon.StartAsync())
        .On(route, Samples.Operation(), WireJson.Default.Operation, 202)
        .On($"GET /operations/{Samples.OperationId}", Samples.Operation(OperationState.Succeeded) with
        {
            Result = result is null ? null : JsonDocument.Parse(result).RootElement,
        }, WireJson.Default.Operation);

    [Theory]
    [InlineData("restart web1", "POST /instances/web1/restart", """{"force":false}""", "web1 restarted")]
    [InlineData("restart web1 --timeout 5 --force", "POST /instances/web1/restart", """{"timeoutSeconds":5,"force":true}""", "web1 restarted")]
    [InlineData("reset web1", "POST /instances/web1/reset", "", "web1 reset")]
    [InlineData("rename web1 web2", "POST /instances/web1/rename", """{"name":"web2"}""", "web1 renamed to web2")]
    [InlineData("resize web1 --cpus 4", "POST /instances/web1/resize", """{"cpus":4,"nextStart":false}""", "web1 resized")]
    [InlineData("resize web1 --memory 1GiB --next-start", "POST /instances/web1/resize", """{"memoryBytes":1073741824,"nextStart":true}""", "web1 resized")]
    public async Task What_is_asked_for_is_sent_and_its_end_is_told(string commandLine, string route, string body, string told)
    {
        await using var daemon = await GivenAsync(route);

        (await CliRig.RunAsync(daemon, commandLine.Split(' '))).ShouldBe(new CliResult(0, $"{told}\n", ""));

        daemon.Requests.First().Body.ShouldBe(body);
    }

    [Fact]
    public async Task What_a_resize_could_not_do_at_once_is_said()
    {
        await using var daemon = await GivenAsync(
            "POST /instances/web1/resize", """{"cpus":1,"memoryBytes":1073741824,"pending":{"cpus":4,"memoryBytes":2147483648,"reason":"It was started with room for 2 CPUs."}}""");

        (await CliRig.RunAsync(daemon, "resize", "web1", "--cpus", "4", "--memory", "2GiB"))
            .ShouldBe(new CliResult(0, "web1 will have 4 CPUs and 2 GiB of memory at its next start. It was started with room for 2 CPUs.\n", ""));
    }

    [Theory]
    [InlineData("--description|a b", """{"description":"a b"}""")]
    [InlineData("--description|", """{"description":null}""")]
    [InlineData("--label|a=1|--label|b=x=y|--remove-label|c", """{"labels":{"a":"1","b":"x=y","c":null}}""")]
    [InlineData("--auto-start", """{"autoStart":true}""")]
    [InlineData("--auto-start|false", """{"autoStart":false}""")]
    public async Task What_is_set_is_sent_as_a_merge_patch(string options, string body)
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("PATCH /instances/web1", Samples.Instance(), WireJson.Default.Instance);

        (await CliRig.RunAsync(daemon, ["set", "web1", .. options.Split('|')])).ShouldBe(new CliResult(0, "web1 changed\n", ""));

        daemon.Requests.Single().Body.ShouldBe(body);
    }

    [Theory]
    [InlineData("resize web1")]
    [InlineData("set web1")]
    [InlineData("rename web1")]
    public async Task Nothing_to_change_is_wrong_use(string commandLine)
    {
        await using var daemon = await FakeDaemon.StartAsync();

        var result = await CliRig.RunAsync(daemon, commandLine.Split(' '));

        result.Code.ShouldBe(2);
        daemon.Requests.ShouldBeEmpty();
    }
}
