using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>What bad input gets: a refusal that names the place, and nothing made.</summary>
public sealed class InstanceInputTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Theory]
    [InlineData("""{"boot":{"kernel":"/k"}}""", "$.name")]
    [InlineData("""{"name":null}""", "$.name")]
    [InlineData("""{"name":""}""", "$.name")]
    [InlineData("""{"name":"Upper"}""", "$.name")]
    [InlineData("""{"name":"-x"}""", "$.name")]
    [InlineData("""{"name":"x-"}""", "$.name")]
    [InlineData("""{"name":"a/b"}""", "$.name")]
    [InlineData("""{"name":"../etc"}""", "$.name")]
    [InlineData("""{"name":"a\u0000b"}""", "$.name")]
    [InlineData("""{"name":"a\n"}""", "$.name")]
    [InlineData("""{"name":"\ud800"}""", "$.name")]
    [InlineData("""{"name":7}""", "$.name")]
    [InlineData("""{"name":"x","cpus":0}""", "$.cpus")]
    [InlineData("""{"name":"x","cpus":257}""", "$.cpus")]
    [InlineData("""{"name":"x","cpus":256}""", "$.cpus")]
    [InlineData("""{"name":"x","cpus":1.5}""", "$.cpus")]
    [InlineData("""{"name":"x","cpus":"2"}""", "$.cpus")]
    [InlineData("""{"name":"x","cpus":99999999999}""", "$.cpus")]
    [InlineData("""{"name":"x","memoryBytes":1}""", "$.memoryBytes")]
    [InlineData("""{"name":"x","memoryBytes":-1}""", "$.memoryBytes")]
    [InlineData("""{"name":"x","memoryBytes":134217729}""", "$.memoryBytes")]
    [InlineData("""{"name":"x","memoryBytes":1099511627776}""", "$.memoryBytes")]
    [InlineData("""{"name":"x","memoryBytes":1099512676352}""", "$.memoryBytes")]
    [InlineData("""{"name":"x","kind":"vm","memoryBytes":67108864}""", "$.memoryBytes")]
    [InlineData("""{"name":"x","kind":"spaceship"}""", "$.kind")]
    [InlineData("""{"name":"x","kind":2}""", "$.kind")]
    [InlineData("""{"name":"x","colour":"red"}""", "$.colour")]
    [InlineData("""{"name":"x","boot":{"kernel":"k"}}""", "$.boot.kernel")]
    [InlineData("""{"name":"x","boot":{"kernel":"/a/../b"}}""", "$.boot.kernel")]
    [InlineData("""{"name":"x","boot":{"kernel":"/a\u0000b"}}""", "$.boot.kernel")]
    [InlineData("""{"name":"x","boot":{"initrd":"i"}}""", "$.boot.initrd")]
    [InlineData("""{"name":"x","boot":{"commandLine":"a\nb"}}""", "$.boot.commandLine")]
    [InlineData("""{"name":"x","boot":{"firmware":"coreboot"}}""", "$.boot.firmware")]
    [InlineData("""{"name":"x","boot":[]}""", "$.boot")]
    [InlineData("""{"name":"x","labels":{"a":null}}""", "$.labels.a")]
    [InlineData("""{"name":"x","labels":{"a b":"c"}}""", "$.labels")]
    [InlineData("""{"name":"x","labels":7}""", "$.labels")]
    [InlineData("""{"name":"x","description":"a\u0000"}""", "$.description")]
    public async Task A_body_with_a_fault_is_refused_with_the_place(string json, string path)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", json);

        (status, problem!.Code).ShouldBe((422, "request.invalid"));
        problem.Errors!.Select(e => e.Path).ShouldContain(path);
        problem.Hint.ShouldNotBeNullOrEmpty();
        await NothingMadeAsync();
    }

    [Fact]
    public async Task All_faults_are_told_at_once()
    {
        var (_, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", """{"name":"Bad!","cpus":0,"boot":{"kernel":"../k"},"labels":{"?":"v"}}""");

        problem!.Errors!.Select(e => e.Path).ShouldBe(["$.name", "$.cpus", "$.labels", "$.boot.kernel"], ignoreOrder: true);
    }

    [Theory]
    [InlineData("$.name", 64)]
    [InlineData("$.description", 1_001)]
    [InlineData("$.boot.kernel", 4_097)]
    [InlineData("$.boot.commandLine", 2_049)]
    public async Task A_text_that_is_too_long_is_refused(string path, int length)
    {
        var text = (path == "$.boot.kernel" ? "/" : "") + new string('a', length - (path == "$.boot.kernel" ? 1 : 0));
        var json = path switch
        {
            "$.name" => $$"""{"name":"{{text}}"}""",
            "$.description" => $$"""{"name":"x","description":"{{text}}"}""",
            "$.boot.kernel" => $$$"""{"name":"x","boot":{"kernel":"{{{text}}}"}}""",
            _ => $$$"""{"name":"x","boot":{"commandLine":"{{{text}}}"}}""",
        };

        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", json);

        status.ShouldBe(422);
        problem!.Errors!.ShouldContain(e => e.Path == path);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("""{"name":"a","name":"b"}""")]
    [InlineData("null garbage")]
    [InlineData("\u0000")]
    public async Task A_body_that_is_not_JSON_is_malformed(string text)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", text);

        (status, problem!.Code).ShouldBe((400, "request.malformed"));
    }

    [Fact]
    public async Task A_body_nested_too_deeply_is_malformed()
    {
        var (status, _, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", string.Concat(Enumerable.Repeat("[", 40)));

        status.ShouldBe(400);
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused()
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", $$"""{"name":"x","description":"{{new string('a', Limits.BodyBytes)}}"}""", ("Expect", "100-continue"));

        (status, problem!.Code).ShouldBe((413, "request.too_large"));
    }

    [Theory]
    [InlineData("""{"name":"x","driver":"nope","boot":{"kernel":"/k"}}""", 422, "driver.unknown")]
    [InlineData("""{"name":"x","image":"nope"}""", 404, "image.unknown")]
    [InlineData("""{"name":"x","image":"../nope"}""", 404, "image.unknown")]
    [InlineData("""{"name":"x"}""", 422, "instance.kernel_missing")]
    [InlineData("""{"name":"x","boot":{"firmware":"uefi","kernel":"/k"}}""", 422, "instance.firmware")]
    [InlineData("""{"name":"x","driver":"qemu","kind":"microvm","boot":{"kernel":"/no/such/kernel"}}""", 422, "kernel.missing")]
    [InlineData("""{"name":"x","driver":"qemu","kind":"microvm","boot":{"kernel":"/etc/shadow"}}""", 422, "kernel.missing")]
    [InlineData("""{"name":"x","driver":"qemu","kind":"microvm","boot":{"kernel":"/etc"}}""", 422, "kernel.missing")]
    [InlineData("""{"name":"x","driver":"qemu","kind":"microvm","boot":{"kernel":"/etc/passwd","initrd":"/no/such"}}""", 422, "initrd.missing")]
    [InlineData("""{"name":"x","driver":"qemu","kind":"container","boot":{"kernel":"/etc/passwd"}}""", 422, "driver.kind_not_run")]
    public async Task What_cannot_be_made_is_refused_with_what_to_do(string json, int status, string code)
    {
        var (found, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", json);

        (found, problem!.Code).ShouldBe((status, code));
        problem.Hint.ShouldNotBeNullOrEmpty();
        await NothingMadeAsync();
    }

    [Theory]
    [InlineData("/instances/nope")]
    [InlineData("/instances/..%2f..%2fetc")]
    [InlineData("/instances/%20")]
    [InlineData("/instances/01890000-0000-7000-8000-000000000000")]
    public async Task An_instance_that_is_not_there_is_not_found(string path)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Get, path);

        status.ShouldBe(404);
        problem!.Code.ShouldBeOneOf("instance.unknown", "route.unknown");
    }

    [Theory]
    [InlineData("limit=0")]
    [InlineData("limit=1001")]
    [InlineData("limit=x")]
    [InlineData("cursor=%2b%2b")]
    [InlineData("filter=state")]
    [InlineData("filter=colour+eq+red")]
    [InlineData("filter=state+eq+purple")]
    [InlineData("filter=state+is+running")]
    [InlineData("filter=(state+eq+running")]
    [InlineData("filter=name+eq+a+b")]
    [InlineData("filter=name+eq+'a%00'")]
    public async Task A_list_asked_for_wrongly_is_refused(string query)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Get, $"/instances?{query}");

        status.ShouldBe(422);
        problem!.Hint.ShouldNotBeNullOrEmpty();
    }

    [Theory]
    [InlineData("0")]
    [InlineData("3601")]
    [InlineData("-1")]
    [InlineData("\"60\"")]
    public async Task A_shutdown_takes_a_timeout_in_range(string seconds)
    {
        await daemon.GivenInstanceAsync($"t{seconds.Length.ToString(CultureInfo.InvariantCulture)}{Guid.CreateVersion7().ToString("N")[20..]}", InstanceState.Running);

        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances/any/shutdown", $$"""{"timeoutSeconds":{{seconds}}}""");

        (status, problem!.Errors!.Single().Path).ShouldBe((422, "$.timeoutSeconds"));
    }

    private async Task NothingMadeAsync()
    {
        (await daemon.Api.ListInstancesAsync("?filter=name eq x")).Items.ShouldBeEmpty();
        daemon.Node.Context.Folders.All().Select(id => daemon.Node.Context.Folders.Read(id).Name).ShouldNotContain("x");
    }
}
