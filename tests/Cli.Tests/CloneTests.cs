using Gantry.Contracts;

namespace Gantry.Cli.Tests;

public sealed class CloneTests
{
    private static readonly string Asked = $"GET /operations/{Samples.OperationId}";

    [Theory]
    [InlineData("clone web1 web2", "/instances/web1/clone", """{"name":"web2","copyTpm":false,"startNow":false}""")]
    [InlineData("clone web1@s1 web2 --linked --start", "/instances/web1/snapshots/s1/clone", """{"name":"web2","linked":true,"copyTpm":false,"startNow":true}""")]
    [InlineData("clone web1 web2 --linked false --pool big --copy-tpm --label a=b", "/instances/web1/clone", """{"name":"web2","linked":false,"pool":"big","labels":{"a":"b"},"copyTpm":true,"startNow":false}""")]
    [InlineData("clone web1 web2 --mac 52:54:00:00:00:01 --address 10.1.1.9 --address eth1=fd00::9", "/instances/web1/clone",
        """{"name":"web2","nics":[{"name":"eth0","mac":"52:54:00:00:00:01","address":"10.1.1.9"},{"name":"eth1","address6":"fd00::9"}],"copyTpm":false,"startNow":false}""")]
    [InlineData("clone web1 web2 --hostname db --address 10.1.1.9/24 --gateway 10.1.1.1 --dns 10.1.1.2", "/instances/web1/clone",
        """{"name":"web2","cloudInit":{"hostname":"db","nics":[{"name":"eth0","addresses":["10.1.1.9/24"],"gateway":"10.1.1.1"}],"dnsServers":["10.1.1.2"]},"copyTpm":false,"startNow":false}""")]
    public async Task A_clone_asks_for_what_was_said(string commandLine, string path, string body)
    {
        await using var daemon = await GivenAsync(path);
        var result = await CliRig.RunAsync(daemon, commandLine.Split(' '));
        (result.Code, result.Error).ShouldBe((0, ""));
        daemon.Requests.First().Body.ShouldBe(body);
    }

    [Theory]
    [InlineData("clone web1 web2 --gateway 10.1.1.1")]
    [InlineData("clone web1 web2 --mac 52:54:00:00:00:01 --mac 52:54:00:00:00:02")]
    [InlineData("clone web1")]
    public async Task What_cannot_be_meant_is_told_before_anything_is_asked(string commandLine)
    {
        await using var daemon = await FakeDaemon.StartAsync();
        (await CliRig.RunAsync(daemon, commandLine.Split(' '))).Code.ShouldBe(2);
        daemon.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task What_was_made_to_stand_alone_is_said()
    {
        await using var daemon = await GivenAsync("/instances/web2/promote");
        (await CliRig.RunAsync(daemon, "promote", "web2")).ShouldBe(new CliResult(0, "web2 stands alone\n", ""));
    }

    [Fact]
    public async Task An_image_of_a_snapshot_names_it()
    {
        await using var daemon = await GivenAsync("/images");
        (await CliRig.RunAsync(daemon, "image", "create", "golden", "--from", "web1@s1")).ShouldBe(new CliResult(0, "golden created\n", ""));
        daemon.Requests.First().Body.ShouldBe("""{"name":"golden","fromInstance":"web1","fromSnapshot":"s1"}""");
    }

    private static async Task<FakeDaemon> GivenAsync(string path) => (await FakeDaemon.StartAsync())
        .On($"POST {path}", Samples.Operation(OperationState.Running, "instance.clone"), WireJson.Default.Operation, 202)
        .On(Asked, Samples.Operation(OperationState.Succeeded, "instance.clone"), WireJson.Default.Operation);
}
