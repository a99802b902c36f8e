using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli.Tests;

public sealed class QuotaTests
{
    private static readonly SnapshotRemoval Gone = new(
        Id<Snapshot>.Parse("0198c0de-0000-7000-8000-0000000000dd"), "one", Id<Instance>.Parse("0198c0de-0000-7000-8000-0000000000aa"), "web1", "quota instance:web1: the oldest, and there are 3 of 2", 1 << 20);

    private static readonly Quota Web1 = new()
    {
        Name = "instance:web1",
        Scope = QuotaScope.Instance,
        Settings = new(2, 1 << 30, 90 * 86_400, 80, QuotaPolicy.Oldest),
        Usage = new(3, 3 << 20, 1, QuotaLevel.Exceeded),
        UpdatedAt = Samples.Snapshot("x").CreatedAt,
        Etag = "\"2\"",
    };

    private static readonly Quota Whole = new()
    {
        Name = "system",
        Scope = QuotaScope.System,
        IsDefault = true,
        Settings = new(WarnPercent: 80, Policy: QuotaPolicy.Manual),
        Usage = new(4, 4 << 20, 0, QuotaLevel.Ok),
        Etag = "\"0\"",
    };

    [Theory]
    [InlineData("quota list")]
    [InlineData("quota list -q")]
    [InlineData("quota info instance:web1")]
    [InlineData("quota info system")]
    [InlineData("quota usage")]
    [InlineData("quota remove instance:web1")]
    [InlineData("quota enforce instance:web1")]
    [InlineData("quota enforce instance:web1 --dry-run")]
    [InlineData("quota enforce system --dry-run")]
    [InlineData("quota set instance:web1 --policy newest")]
    [InlineData("quota set instance:web1 --age old")]
    public async Task What_is_shown_is_what_the_golden_file_says(string commandLine)
    {
        var enforced = new QuotaEnforced("instance:web1", false, [Gone with { Operation = Samples.OperationId }, Gone with { Name = "two", Error = "The pool is gone." }],
            Web1.Usage, Web1.Usage with { Count = 2 }, "there are 2 of 1; no other would help");
        await using var given = (await FakeDaemon.StartAsync())
            .On("GET /quotas", new Page<Quota>([Web1], null), WireJson.Default.PageQuota)
            .On("GET /quotas/instance:web1", Web1, WireJson.Default.Quota)
            .On("GET /quotas/system", Whole, WireJson.Default.Quota)
            .On("GET /quotas/usage", new QuotaSummary(new(4, 4 << 20, 1, QuotaLevel.Ok), [Web1], 1, 0, 1), WireJson.Default.QuotaSummary)
            .On("DELETE /quotas/instance:web1", Whole, WireJson.Default.Quota)
            .On("POST /quotas/system/enforce", new QuotaEnforced("system", true, [], Whole.Usage, Whole.Usage), WireJson.Default.QuotaEnforced);
        var daemon = commandLine.EndsWith("--dry-run", StringComparison.Ordinal)
            ? given.On("POST /quotas/instance:web1/enforce", enforced with { DryRun = true, Removed = [Gone], NotMet = null }, WireJson.Default.QuotaEnforced)
            : given.On("POST /quotas/instance:web1/enforce", Samples.Operation(OperationState.Running, "quota.enforce"), WireJson.Default.Operation, 202)
                .On($"GET /operations/{Samples.OperationId}", Samples.Operation(OperationState.Succeeded, "quota.enforce") with { Result = JsonSerializer.SerializeToElement(enforced, WireJson.Default.QuotaEnforced) }, WireJson.Default.Operation);
        var result = await CliRig.RunAsync(daemon, commandLine.Split(' '));

        Golden.Matches("show-" + commandLine.Replace(" ", "-").Replace("--", "-").Replace(":", "-"), result.Transcript("gantry " + commandLine));
    }

    [Fact]
    public async Task What_is_set_is_what_was_said()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("PUT /quotas/instance:web1", Web1, WireJson.Default.Quota);
        (await CliRig.RunAsync(daemon, "quota", "set", "instance:web1", "--count", "2", "--size", "1GiB", "--age", "90d", "--warn", "70", "--policy", "leastUsed", "-q")).ShouldBe(new CliResult(0, "instance:web1\n", ""));
        daemon.Requests.Single().Body.ShouldBe("""{"maxCount":2,"maxBytes":1073741824,"maxAge":7776000,"warnPercent":70,"policy":"leastUsed"}""");
    }
}
