using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gantry.Repo.Tests;

/// <summary>What a real daemon serves and keeps, as golden files.</summary>
public class GoldenTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Fact]
    public async Task The_openapi_document_is_as_kept()
    {
        using var answer = await daemon.Api.SendAsync(HttpMethod.Get, "/openapi.json", ct: TestContext.Current.CancellationToken);
        var document = JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!.AsObject();
        document["openapi"]!.GetValue<string>().ShouldStartWith("3.1");
        document.Remove("servers");

        Golden.ShouldMatch("docs/api/openapi.json", document.ToJsonString(Readable));
    }

    [Fact]
    public async Task The_schema_is_as_kept() => Golden.ShouldMatch("src/Daemon/Schema/schema.sql", Statements(
        await RunningDaemon.RunAsync("pg_dump", "--host", $"{daemon.Root}/run/postgres", "--username", "gantry", "--schema-only", "--no-owner", "--no-privileges", "gantry")));

    [Fact]
    public void Migrations_are_numbered_and_none_twice()
    {
        var numbers = Repository.Files.Where(f => f.StartsWith("src/Daemon/Schema/0", StringComparison.Ordinal)).Select(f => Path.GetFileName(f)[..4]).ToList();

        numbers.ShouldBeUnique();
        numbers.Order(StringComparer.Ordinal).ShouldBe(Enumerable.Range(1, numbers.Count).Select(n => $"{n:0000}"));
    }

    /// <summary>No comments, no settings of the session, no words of one pg_dump's version.</summary>
    private static string Statements(string dump) =>
        "-- What the migrations beside this file make, all together; a test compares. GANTRY_UPDATE_GOLDEN=1 ./dev test Repo writes it anew.\n\n"
        + string.Join('\n', dump.Split('\n').Where(l => l.Length > 0
            && !l.StartsWith("--", StringComparison.Ordinal) && !l.StartsWith("SET ", StringComparison.Ordinal)
            && !l.StartsWith("SELECT pg_catalog.set_config", StringComparison.Ordinal) && !l.StartsWith('\\')));
}
