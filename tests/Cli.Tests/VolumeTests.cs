using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli.Tests;

public sealed class VolumeTests
{
    private static readonly PoolVolume Archive = new()
    {
        Id = Id<PoolVolume>.Parse("0198c0de-0000-7000-8000-000000000077"),
        Name = "archive",
        Pool = "big",
        SizeBytes = 200L << 30,
        Image = "debian",
        Description = "Letters",
        State = PoolVolumeState.Available,
        CreatedAt = CliRig.Now.AddDays(-3),
        UpdatedAt = CliRig.Now.AddDays(-3),
        Etag = "\"1\"",
    };

    [Theory]
    [InlineData("volume list web1")]
    [InlineData("volume list --pool big")]
    [InlineData("volume list --pool big -q")]
    [InlineData("volume list")]
    [InlineData("volume list web1 --pool big")]
    [InlineData("volume info archive --pool big")]
    [InlineData("volume resize web1 data 1GiB --pool big")]
    public async Task What_is_shown_is_what_the_golden_file_says(string commandLine)
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /instances/web1/volumes", new Page<Volume>([new() { Name = "data", Pool = "big", SizeBytes = 1 << 30 }], null), WireJson.Default.PageVolume)
            .On("GET /pools/big/volumes", new Page<PoolVolume>(
                [Archive, new() { Name = "data", Pool = "big", SizeBytes = 1 << 30, State = PoolVolumeState.Attached, Instance = "web1" },
                    Archive with { Name = "new", State = PoolVolumeState.Attaching, Instance = "web2", Image = null, Description = null }], null), WireJson.Default.PagePoolVolume)
            .On("GET /pools/big/volumes/archive", Archive, WireJson.Default.PoolVolume);
        var result = await CliRig.RunAsync(daemon, commandLine.Split(' '));

        Golden.Matches("show-" + commandLine.Replace(" ", "-").Replace("--", "-"), result.Transcript("gantry " + commandLine));
    }

    [Theory]
    [InlineData("volume create archive --size 1GiB --pool big --description Letters", "POST /pools/big/volumes",
        """{"name":"archive","sizeBytes":1073741824,"description":"Letters"}""", "archive made in big\n")]
    [InlineData("volume create archive", "POST /pools/local/volumes", """{"name":"archive"}""", "archive made in local\n")]
    [InlineData("volume rename archive old --pool big", "PATCH /pools/big/volumes/archive", """{"name":"old"}""", "archive is now old\n")]
    [InlineData("volume describe archive Letters", "PATCH /pools/local/volumes/archive", """{"description":"Letters"}""", "archive described\n")]
    [InlineData("volume resize archive 2GiB --pool big", "PATCH /pools/big/volumes/archive", """{"sizeBytes":2147483648}""", "archive now 2 GiB\n")]
    [InlineData("volume resize archive 2GiB", "PATCH /pools/local/volumes/archive", """{"sizeBytes":2147483648}""", "archive now 2 GiB\n")]
    [InlineData("volume resize web1 data 2GiB", "PATCH /instances/web1/volumes/data", """{"sizeBytes":2147483648}""", "data now 2 GiB\n")]
    [InlineData("volume delete archive --pool big", "DELETE /pools/big/volumes/archive", "", "archive deleted\n")]
    [InlineData("volume attach web1 data --volume archive --pool big --read-only", "POST /instances/web1/volumes",
        """{"volume":"archive","name":"data","pool":"big","readOnly":true}""", "archive attached to web1 as data\n")]
    [InlineData("volume detach web1 data --as archive", "POST /instances/web1/volumes/data/detach", """{"name":"archive"}""", "data detached from web1; it is archive in big\n")]
    public async Task What_is_asked_for_goes_to_its_route(string commandLine, string route, string body, string said)
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On(route, Samples.Operation(), WireJson.Default.Operation, 202)
            .On($"GET /operations/{Samples.OperationId}", Samples.Operation(OperationState.Succeeded) with
            {
                Result = commandLine.Contains(" detach ", StringComparison.Ordinal) ? JsonDocument.Parse("""{"name":"archive","pool":"big"}""").RootElement : null,
            }, WireJson.Default.Operation);

        (await CliRig.RunAsync(daemon, commandLine.Split(' '))).ShouldBe(new CliResult(0, said, ""));
        daemon.Requests.First().Body.ShouldBe(body);
    }
}
