using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli.Tests;

public sealed class CloudInitTests : IDisposable
{
    private const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJrXb9r1 ann@home";

    private readonly string _folder = Directory.CreateTempSubdirectory("gantry-cli-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_launch_sends_user_keys_host_name_and_the_password_from_standard_input()
    {
        await using var daemon = await GivenAsync("POST /instances");
        var keys = Given("keys.pub", $"# mine\n{Key}\n\n");

        var result = await new CliRig { Socket = daemon.Socket, Input = "a word\n" }.RunAsync(
            "launch", "debian", "db1", "--user", "ann", "--ssh-key", keys, "--hostname", "db", "--password-stdin");

        result.ShouldBe(new CliResult(0, "db1 launched\n", ""));
        Body(daemon).GetProperty("cloudInit").GetRawText().ShouldBe(
            $$"""{"hostname":"db","users":[{"name":"ann","password":"a word","sshKeys":["{{Key}}"],"sudo":true,"shell":"/bin/bash"}]}""");
    }

    [Fact]
    public async Task Keys_without_a_user_are_for_the_images_own()
    {
        await using var daemon = await GivenAsync("POST /instances");

        await CliRig.RunAsync(daemon, "launch", "debian", "db1", "--ssh-key", Given("one.pub", Key), "--ssh-key", Given("two.pub", Key));

        Body(daemon).GetProperty("cloudInit").GetRawText().ShouldBe($$"""{"sshKeys":["{{Key}}","{{Key}}"]}""");
    }

    [Theory]
    [InlineData("-")]
    [InlineData(null)]
    public async Task User_data_come_from_a_file_or_standard_input(string? file)
    {
        const string Text = "#cloud-config\nhostname: größer\n";
        await using var daemon = await GivenAsync("PUT /instances/web1/cloud-init", """{"instanceId":"i-2","pending":"it runs with the disc it was started with"}""");

        var result = await new CliRig { Socket = daemon.Socket, Input = Text }.RunAsync("cloud-init", "set", "web1", "--cloud-init", file ?? Given("user-data", Text));

        result.ShouldBe(new CliResult(0, "web1 told anew; at its next start: it runs with the disc it was started with\n", ""));
        Body(daemon).GetProperty("userData").GetString().ShouldBe(Text);
    }

    [Fact]
    public async Task Options_are_laid_over_what_a_file_says()
    {
        await using var daemon = await GivenAsync("PUT /instances/web1/cloud-init", """{"instanceId":"i-2","pending":null}""");

        var result = await CliRig.RunAsync(daemon, "cloud-init", "set", "web1", "--settings", Given("told.json", """{"users":[{"name":"ann","hasPassword":true}],"timezone":"UTC"}"""), "--hostname", "web");

        result.ShouldBe(new CliResult(0, "web1 told anew\n", ""));
        Body(daemon).GetRawText().ShouldBe("""{"users":[{"name":"ann","hasPassword":true}],"timezone":"UTC","hostname":"web"}""");
    }

    [Fact]
    public async Task What_is_told_is_shown_fields_as_YAML_and_texts_as_they_are()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On(
            "GET /instances/web1/cloud-init", """{"userData":"#cloud-config\nruncmd:\n\t- \u001b[2J\n","hostname":"web"}""");

        (await CliRig.RunAsync(daemon, "cloud-init", "show", "web1")).Out.ShouldBe("hostname: web\nuser-data:\n  #cloud-config\n  runcmd:\n      - \\x1b[2J\n");
    }

    [Fact]
    public async Task It_is_taken_away()
    {
        await using var daemon = await GivenAsync("DELETE /instances/web1/cloud-init", """{"instanceId":null,"pending":null}""");

        (await CliRig.RunAsync(daemon, "cloud-init", "remove", "web1")).ShouldBe(new CliResult(0, "web1 is told nothing more\n", ""));
    }

    [Theory]
    [InlineData("launch debian db1 --password-stdin", "--password-stdin needs --user.")]
    [InlineData("launch debian db1 --user ann --password-stdin --cloud-init -", "Only one thing can come by standard input.")]
    [InlineData("launch debian db1 --user ann --password-stdin --settings -", "Only one thing can come by standard input.")]
    [InlineData("launch debian db1 --ssh-key FOLDER/id", "FOLDER/id is a private key, which stays where it is.")]
    [InlineData("launch debian db1 --ssh-key FOLDER/empty", "There is no key in FOLDER/empty.")]
    [InlineData("cloud-init set web1", "Nothing to set was given.")]
    public async Task Wrong_use_is_told_and_nothing_is_sent(string commandLine, string told)
    {
        Given("id", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
        Given("empty", "\n");
        await using var daemon = await FakeDaemon.StartAsync();

        var result = await CliRig.RunAsync(daemon, commandLine.Replace("FOLDER", _folder, StringComparison.Ordinal).Split(' '));

        result.Code.ShouldBe(2);
        result.Error.ShouldContain(told.Replace("FOLDER", _folder, StringComparison.Ordinal));
        daemon.Requests.ShouldBeEmpty();
    }

    private string Given(string name, string text)
    {
        File.WriteAllText($"{_folder}/{name}", text);
        return $"{_folder}/{name}";
    }

    private static async Task<FakeDaemon> GivenAsync(string route, string? result = null) => (await FakeDaemon.StartAsync())
        .On(route, Samples.Operation(), WireJson.Default.Operation, 202)
        .On($"GET /operations/{Samples.OperationId}", Samples.Operation(OperationState.Succeeded) with
        {
            Result = result is null ? null : JsonDocument.Parse(result).RootElement,
        }, WireJson.Default.Operation);

    private static JsonElement Body(FakeDaemon daemon) => JsonDocument.Parse(daemon.Requests.First().Body).RootElement;
}
