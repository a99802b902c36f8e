using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Instances;

public sealed class InstanceListTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>, IAsyncLifetime
{
    public async ValueTask InitializeAsync()
    {
        if ((await daemon.Api.ListInstancesAsync()).Items.Count > 0)
        {
            return;
        }

        foreach (var i in Enumerable.Range(1, 5))
        {
            await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(
                RunningDaemon.A($"web{i}") with { StartNow = i % 2 == 0, Labels = new Dictionary<string, string> { ["tier"] = i < 3 ? "front" : "back" } }, 60));
        }

        await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(RunningDaemon.A("db-like") with { Kind = InstanceKind.Vm }, 60));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData("name like 'web*'", "web1 web2 web3 web4 web5")]
    [InlineData("name like 'web_'", "")]
    [InlineData("name like '%'", "")]
    [InlineData("state eq running", "web2 web4")]
    [InlineData("state ne running and name like 'web*'", "web1 web3 web5")]
    [InlineData("kind eq vm or name eq web1", "db-like web1")]
    [InlineData("not (kind eq vm) and not name like 'web*'", "")]
    [InlineData("labels.tier eq front", "web1 web2")]
    [InlineData("labels.tier ne front", "db-like web3 web4 web5")]
    [InlineData("name gt web3 and name le web5", "web4 web5")]
    [InlineData("cpus ge 1 and memoryBytes lt 200000000 and state eq running", "web2 web4")]
    [InlineData("*", "db-like web1 web2 web3 web4 web5")]
    public async Task A_filter_finds_what_it_says(string filter, string names) =>
        (await daemon.Api.ListInstancesAsync($"?filter={Uri.EscapeDataString(filter)}")).Items.Select(i => i.Name)
            .ShouldBe(names.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    [Fact]
    public async Task Pages_go_through_the_whole_list_in_order_whatever_happens_in_between()
    {
        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = await daemon.Api.ListInstancesAsync($"?limit=2{(cursor is null ? "" : $"&cursor={cursor}")}");
            seen.AddRange(page.Items.Select(i => i.Name));
            cursor = page.NextCursor;
        }
        while (cursor is not null);

        seen.ShouldBe(["db-like", "web1", "web2", "web3", "web4", "web5"]);
    }

    [Fact]
    public async Task A_list_has_only_the_fields_that_were_asked_for()
    {
        var (_, _, body) = await daemon.SendAsync(HttpMethod.Get, "/instances?limit=1&fields=state,name");
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Get, "/instances?fields=colour");

        body.GetProperty("items")[0].ToString().ShouldBe("{\"name\":\"db-like\",\"state\":\"stopped\"}");
        body.TryGetProperty("nextCursor", out _).ShouldBeTrue();
        (status, problem!.Code).ShouldBe((422, "request.fields"));
    }

    [Fact]
    public async Task A_list_shows_a_change_as_soon_as_it_is_done()
    {
        foreach (var _ in Enumerable.Range(0, 10))
        {
            (await daemon.Api.ListInstancesAsync()).Items.ShouldNotContain(i => i.Name == "brief");
            await daemon.GivenInstanceAsync("brief", InstanceState.Running);
            (await daemon.Api.ListInstancesAsync()).Items.Single(i => i.Name == "brief").State.ShouldBe(InstanceState.Running);
            await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("brief", force: true, 60));
        }
    }
}
