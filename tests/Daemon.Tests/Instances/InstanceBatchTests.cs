using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Instances;

public sealed class InstanceBatchTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Fact]
    public async Task A_batch_answers_with_one_result_for_each()
    {
        await daemon.GivenInstanceAsync("b1");
        await daemon.GivenInstanceAsync("b2", InstanceState.Running);

        var results = (await daemon.Api.BatchInstancesAsync(new() { Action = InstanceAction.Start, Names = ["b1", "b2", "b3", "b1"] })).Items;

        results.Select(r => r.Name).ShouldBe(["b1", "b2", "b3"]);
        (await daemon.Api.GetOperationAsync(results[0].Operation!.Id, 60)).State.ShouldBe(OperationState.Succeeded);
        results[1].Error!.Code.ShouldBe("instance.wrong_state");
        results[2].Error!.Code.ShouldBe("instance.unknown");
    }

    [Fact]
    public async Task A_batch_takes_a_filter()
    {
        await daemon.GivenInstanceAsync("f1", InstanceState.Running);
        await daemon.GivenInstanceAsync("f2", InstanceState.Running);

        var results = (await daemon.Api.BatchInstancesAsync(new() { Action = InstanceAction.Delete, Filter = "name like 'f*'", Force = true })).Items;

        foreach (var result in results)
        {
            (await daemon.Api.GetOperationAsync(result.Operation!.Id, 60)).State.ShouldBe(OperationState.Succeeded);
        }

        (await daemon.Api.ListInstancesAsync("?filter=name like 'f*'")).Items.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_batch_that_is_sent_again_with_its_key_answers_as_the_first_time()
    {
        await daemon.GivenInstanceAsync("k1");
        const string body = """{"action":"delete","names":["k1"]}""";

        var first = await daemon.SendAsync(HttpMethod.Post, "/instances:batch", body, ("Idempotency-Key", "batch-1"));
        var begun = first.Body.GetProperty("items")[0].GetProperty("operation").GetProperty("id").GetString()!;
        (await daemon.Api.GetOperationAsync(Id<Operation>.Parse(begun), 60)).State.ShouldBe(OperationState.Succeeded);
        var second = await daemon.SendAsync(HttpMethod.Post, "/instances:batch", body, ("Idempotency-Key", "batch-1"));

        second.Body.GetProperty("items")[0].GetProperty("operation").GetProperty("id").GetString().ShouldBe(begun);
    }

    [Theory]
    [InlineData("""{"action":"start"}""", "$")]
    [InlineData("""{"action":"start","names":["a"],"filter":"*"}""", "$")]
    [InlineData("""{"names":["a"]}""", "$.action")]
    [InlineData("""{"action":"explode","names":["a"]}""", "$.action")]
    [InlineData("""{"action":"start","names":[null]}""", "$.names[0]")]
    [InlineData("""{"action":"shutdown","names":["a"],"timeoutSeconds":0}""", "$.timeoutSeconds")]
    public async Task A_batch_that_makes_no_sense_is_refused_whole(string json, string path)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances:batch", json);

        status.ShouldBe(422);
        problem!.Errors!.Select(e => e.Path).ShouldContain(path);
    }
}
