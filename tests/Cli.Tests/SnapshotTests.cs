using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli.Tests;

public sealed class SnapshotTests
{
    private static readonly string Asked = $"GET /operations/{Samples.OperationId}";

    [Theory]
    [InlineData("snapshot list web1")]
    [InlineData("snapshot list web1 -q")]
    [InlineData("snapshot tree web1")]
    [InlineData("snapshot tree db")]
    [InlineData("snapshot tree web1 -q")]
    [InlineData("snapshot list --all")]
    [InlineData("snapshot list --all -q")]
    [InlineData("snapshot list")]
    [InlineData("snapshot list web1 --pool fast")]
    [InlineData("snapshot list --all --older-than long")]
    [InlineData("snapshot statistics")]
    [InlineData("snapshot protect web1 one")]
    [InlineData("snapshot unprotect web1 one")]
    [InlineData("snapshot info web1 one")]
    [InlineData("snapshot rename web1 one first")]
    [InlineData("snapshot describe web1 one x")]
    public async Task What_is_shown_is_what_the_golden_file_says(string commandLine)
    {
        var one = Samples.Snapshot("one", "base", InstanceState.Running) with { Description = "Before the upgrade" };
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /instances/web1/snapshots", new Page<Snapshot>([
                Samples.Snapshot("base"), one, Samples.Snapshot("two", "one", InstanceState.Paused), Samples.Snapshot("branch", "base", current: true), Samples.Snapshot("three", "branch") with { SizeBytes = null },
                Samples.Snapshot("alone")], null), WireJson.Default.PageSnapshot)
            .On("GET /instances/db/snapshots/tree", new SnapshotTree([], 0), WireJson.Deep.SnapshotTree)
            .On("GET /instances/web1/snapshots/tree", new SnapshotTree(
                [
                    new(Samples.Snapshot("base"), [
                        new(one, [new(Samples.Snapshot("two", "one", InstanceState.Paused), [])]),
                        new(Samples.Snapshot("branch", "base", current: true), [new(Samples.Snapshot("three", "branch") with { SizeBytes = null }, [])])]),
                    new(Samples.Snapshot("alone"), []),
                ], 6, "branch"), WireJson.Deep.SnapshotTree)
            .On("GET /snapshots", new Page<Snapshot>([one with { InstanceName = "web1" }, Samples.Snapshot("x") with { InstanceName = "db" }], null), WireJson.Default.PageSnapshot)
            .On("GET /snapshots/statistics", new SnapshotStatistics(
                3, 5 << 20, 1, 1, new(0, 1, 1, 1), [new("web1", 2, 4 << 20), new("db", 1, 1 << 20)], [new("local", 3, 5 << 20)], [], 2 << 20, one with { InstanceName = "web1" }, null, null), WireJson.Default.SnapshotStatistics)
            .On("GET /instances/web1/snapshots/one", one with { Current = true }, WireJson.Default.Snapshot)
            .On("PATCH /instances/web1/snapshots/one", one with { Name = "first" }, WireJson.Default.Snapshot);
        var result = await CliRig.RunAsync(daemon, commandLine.Split(' '));

        Golden.Matches("show-" + commandLine.Replace(" ", "-").Replace("--", "-"), result.Transcript("gantry " + commandLine));
    }

    [Fact]
    public async Task A_tree_as_deep_as_there_may_be_snapshots_is_drawn_and_written_as_YAML()
    {
        var branch = new SnapshotBranch(Samples.Snapshot("s100"), []);
        for (var n = Limits.Snapshots - 1; n > 0; n--)
        {
            branch = new(Samples.Snapshot($"s{n}"), [branch]);
        }

        await using var daemon = (await FakeDaemon.StartAsync()).On("GET /instances/web1/snapshots/tree", new SnapshotTree([branch], Limits.Snapshots), WireJson.Deep.SnapshotTree);
        (await CliRig.RunAsync(daemon, "snapshot", "tree", "web1", "-q")).Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(Limits.Snapshots);
        (await CliRig.RunAsync(daemon, "snapshot", "tree", "web1", "-o", "yaml")).Out.ShouldContain("name: s100");
    }

    [Fact]
    public async Task What_a_verification_found_is_told_and_is_a_failure()
    {
        await using var daemon = await GivenAsync("verify", """{"faults":["/x/spec.json is missing.","/x/nvram was altered."]}""");
        (await CliRig.RunAsync(daemon, "snapshot", "verify", "web1", "one")).ShouldBe(new CliResult(1, "one NOT whole\n/x/spec.json is missing.\n/x/nvram was altered.\n", ""));
    }

    [Fact]
    public async Task A_whole_snapshot_is_said_to_be_whole()
    {
        await using var daemon = await GivenAsync("verify", """{"faults":[]}""");
        (await CliRig.RunAsync(daemon, "snapshot", "verify", "web1", "one")).ShouldBe(new CliResult(0, "one whole\n", ""));
    }

    [Fact]
    public async Task A_restore_asks_for_what_was_said_and_tells_why_it_was_not_started()
    {
        await using var daemon = await GivenAsync("restore", """{"snapshot":"one","notStarted":"There is no kernel."}""");
        (await CliRig.RunAsync(daemon, "snapshot", "restore", "web1", "one", "--stop", "--start")).ShouldBe(new CliResult(0, "web1 is as it was in one; it was not started: There is no kernel.\n", ""));
        daemon.Requests.First().Body.ShouldBe("""{"stop":true,"start":true,"noMemory":false,"pause":false}""");
    }

    private static async Task<FakeDaemon> GivenAsync(string verb, string result) => (await FakeDaemon.StartAsync())
        .On($"POST /instances/web1/snapshots/one/{verb}", Samples.Operation(OperationState.Running, $"snapshot.{verb}"), WireJson.Default.Operation, 202)
        .On(Asked, Samples.Operation(OperationState.Succeeded, $"snapshot.{verb}") with { Result = JsonDocument.Parse(result).RootElement }, WireJson.Default.Operation);
}
