using Gantry.Contracts;

namespace Gantry.Cli.Tests;

public sealed class ManyNamesTests
{
    private static readonly Refusal Missing = Refusal.NotFound("instance.not_found", "There is no instance 'nope'.", "`gantry list` shows them.");

    private static async Task<FakeDaemon> GivenBatchAsync(params BatchResult[] results) => (await FakeDaemon.StartAsync())
        .On("POST /instances:batch", new BatchResults(results), WireJson.Default.BatchResults)
        .On($"GET /operations/{Samples.OperationId}", Samples.Operation(OperationState.Succeeded), WireJson.Default.Operation);

    [Fact]
    public async Task One_name_goes_its_own_way()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("POST /instances/web1/start", Samples.Operation(), WireJson.Default.Operation, 202)
            .On($"GET /operations/{Samples.OperationId}", Samples.Operation(OperationState.Succeeded), WireJson.Default.Operation);
        (await CliRig.RunAsync(daemon, "start", "web1")).ShouldBe(new CliResult(0, "web1 started\n", ""));
    }

    [Fact]
    public async Task Of_several_each_gets_a_line_and_the_worst_counts()
    {
        await using var daemon = await GivenBatchAsync(
            new("web1", Samples.Operation(), null),
            new("nope", null, Problem.From(Missing, null)),
            new("web2", null, Problem.From(Refusal.Conflict("instance.busy", "web2 is busy.", "Wait."), null)),
            new("web3", Samples.Operation(), null));
        var result = await CliRig.RunAsync(daemon, "stop", "web1", "nope", "web2", "web3");
        Golden.Matches("many-stop", result.Transcript("gantry stop web1 nope web2 web3"));
        daemon.Requests.First().Body.ShouldBe("""{"action":"stop","names":["web1","nope","web2","web3"],"force":false}""");
    }

    [Fact]
    public async Task All_and_a_filter_are_left_to_the_daemon()
    {
        await using var daemon = await GivenBatchAsync();
        (await CliRig.RunAsync(daemon, "delete", "--all", "--force")).ShouldBe(new CliResult(0, "", "No instance matches.\n"));
        await CliRig.RunAsync(daemon, "shutdown", "--filter", "name like 'w*'", "--timeout", "90s");
        daemon.Requests.Select(seen => seen.Body).ShouldBe(["""{"action":"delete","filter":"*","force":true}""", """{"action":"shutdown","filter":"name like \u0027w*\u0027","force":false,"timeoutSeconds":90}"""]);
    }

    [Fact]
    public async Task Without_waiting_the_ids_are_printed()
    {
        await using var daemon = await GivenBatchAsync(new("web1", Samples.Operation(), null), new("nope", null, Problem.From(Missing, null)));
        var result = await CliRig.RunAsync(daemon, "stop", "web1", "nope", "--no-wait");
        result.ShouldBe(new CliResult(3, $"{Samples.OperationId}\n", "nope: There is no instance 'nope'. `gantry list` shows them.\n"));
    }

    [Fact]
    public async Task As_json_each_result_is_a_line_as_the_api_had_it()
    {
        await using var daemon = await GivenBatchAsync(new("web1", Samples.Operation(), null), new("nope", null, Problem.From(Missing, null)));
        var result = await CliRig.RunAsync(daemon, "stop", "web1", "nope", "-o", "json");
        Golden.Matches("many-json", result.Transcript("gantry stop web1 nope -o json"));
    }

    [Fact]
    public async Task A_forced_delete_and_a_shutdown_with_a_time_say_so()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("DELETE /instances/web1", Samples.Operation(), WireJson.Default.Operation, 202)
            .On("POST /instances/web1/shutdown", Samples.Operation(), WireJson.Default.Operation, 202)
            .On($"GET /operations/{Samples.OperationId}", Samples.Operation(OperationState.Succeeded), WireJson.Default.Operation);
        (await CliRig.RunAsync(daemon, "delete", "web1", "--force")).Out.ShouldBe("web1 deleted\n");
        (await CliRig.RunAsync(daemon, "shutdown", "web1", "--timeout", "5")).Out.ShouldBe("web1 shut down\n");
        daemon.Requests.First().Query.ShouldBe("?force=true");
        daemon.Requests.ElementAt(2).Body.ShouldBe("""{"timeoutSeconds":5}""");
    }

    [Fact]
    public async Task Several_images_are_deleted_one_after_the_other()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .Refuses("DELETE /images/a", Refusal.Conflict("image.used", "Image 'a' is used by web1.", "Delete web1 first."))
            .On("DELETE /images/b", Samples.Operation(), WireJson.Default.Operation, 202)
            .On($"GET /operations/{Samples.OperationId}", Samples.Operation(OperationState.Succeeded), WireJson.Default.Operation);
        (await CliRig.RunAsync(daemon, "image", "delete", "a", "b")).ShouldBe(new CliResult(5, "b deleted\n", "a: Image 'a' is used by web1. Delete web1 first.\n"));
    }
}
