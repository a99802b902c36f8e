using System.Text;
using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Instances;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>What instances are told by cloud-init, over HTTP: what is kept of it, and what is shown.</summary>
public sealed class CloudInitTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private const string Secret = "correct-horse-battery";
    private const string Ann = $$"""{"users": [{"name": "ann", "password": "{{Secret}}"}]}""";

    [Fact]
    public async Task A_password_is_kept_as_its_hash_alone_and_neither_is_shown()
    {
        var headers = ("Idempotency-Key", "once");
        var body = Body("kept", $$"""{"users": [{"name": "ann", "password": "{{Secret}}", "sudo": true}]}""");
        var shown = new StringBuilder();
        shown.Append(await SendAsync(HttpMethod.Post, "/instances?wait=60", body, headers));
        shown.Append(await SendAsync(HttpMethod.Post, "/instances?dryRun=true", Body("preview", Ann)));
        shown.Append(await SendAsync(HttpMethod.Post, "/templates", $$"""{"name": "kept", "settings": {"cloudInit": {{Ann}} } }""", headers));
        shown.Append(await SendAsync(HttpMethod.Patch, "/templates/kept", $$"""{"settings": {"cloudInit": {{Ann}} } }"""));
        shown.Append(await SendAsync(HttpMethod.Post, "/templates", """{"name": "of-instance", "from": {"instance": "kept"}}"""));
        shown.Append(await SendAsync(HttpMethod.Put, "/instances/kept/cloud-init?wait=60", $$"""{"users": [{"name": "ann", "password": "{{Secret}}"}, {"name": "eve"}]}"""));
        shown.Append(await SendAsync(HttpMethod.Put, "/instances/kept/cloud-init?wait=60", """{"users": [{"name": "ann", "hasPassword": true}, {"name": "eve"}]}"""));
        foreach (var path in (string[])["/instances/kept", "/instances", "/instances/kept/cloud-init", "/templates", "/templates/kept", "/operations"])
        {
            shown.Append(await SendAsync(HttpMethod.Get, path));
        }

        var spec = daemon.Node.Context.Folders.Read((await daemon.Api.GetInstanceAsync("kept")).Id);
        var hash = spec.CloudInit!.Settings.Users![0].PasswordHash!;
        await ShouldBeHashOfAsync(hash, Secret);
        (shown.ToString().Contains(Secret, StringComparison.Ordinal), shown.ToString().Contains("$6$", StringComparison.Ordinal)).ShouldBe((false, false));
        shown.ToString().ShouldContain("\"hasPassword\":true");
        (await WhereAsync(Secret)).ShouldBeEmpty();
        (await WhereAsync(hash)).ShouldNotBeEmpty("so the search finds what there is");
    }

    [Fact]
    public async Task The_same_request_with_the_same_key_is_one_and_another_password_is_another_request()
    {
        var headers = ("Idempotency-Key", "twice");
        var first = await daemon.SendAsync(HttpMethod.Post, "/instances?wait=60", Body("twice", Ann), headers);
        var again = await daemon.SendAsync(HttpMethod.Post, "/instances?wait=60", Body("twice", Ann), headers);
        var other = await daemon.SendAsync(HttpMethod.Post, "/instances?wait=60", Body("twice", """{"users": [{"name": "ann", "password": "another"}]}"""), headers);

        again.Body.GetProperty("id").GetString().ShouldBe(first.Body.GetProperty("id").GetString());
        other.Problem!.Code.ShouldBe("operation.idempotency_key_reused");
    }

    [Fact]
    public async Task It_is_set_anew_under_a_new_instance_id_told_as_an_event_and_taken_away()
    {
        var made = await daemon.MakeAsync(Body("anew", """{"hostname": "first"}"""));
        made.CloudInit.ShouldBe(new($"{made.Id}-1"));
        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("anew", InstanceAction.Start, 60));
        var etag = (await daemon.Api.GetInstanceAsync("anew")).Etag;

        var told = daemon.NextEventAsync(EventTypes.InstanceChanged, $"instances/{made.Id}");
        var (_, _, set) = await daemon.SendAsync(HttpMethod.Put, "/instances/anew/cloud-init?wait=60", """{"userData": "#cloud-config\nruncmd: [ls]\n"}""", ("If-Match", etag));
        set.GetProperty("result").GetRawText().ShouldBe($$"""{"instanceId":"{{made.Id}}-2","pending":"it runs with the disc it was started with"}""");
        (await told).Data!.Value.GetRawText().ShouldBe("""{"fields":["cloudInit"]}""");
        (await daemon.SendAsync(HttpMethod.Put, "/instances/anew/cloud-init?wait=60", "{}", ("If-Match", etag))).Problem!.Code.ShouldBe("instance.changed");
        (await SendAsync(HttpMethod.Get, "/instances/anew/cloud-init")).ShouldBe("""{"userData":"#cloud-config\nruncmd: [ls]\n"}""");

        await SendAsync(HttpMethod.Delete, "/instances/anew/cloud-init?wait=60");
        (await daemon.Api.GetInstanceAsync("anew")).CloudInit.ShouldBeNull();
        File.Exists(GeneratedDiscs.PathOf(daemon.Node.Context.Root, made.Id, GeneratedDisc.CloudInit)).ShouldBeFalse();
        (await daemon.SendAsync(HttpMethod.Get, "/instances/anew/cloud-init")).Problem!.Code.ShouldBe("cloud_init.none");
        (await daemon.SendAsync(HttpMethod.Delete, "/instances/anew/cloud-init?wait=60")).Problem!.Code.ShouldBe("cloud_init.none");

        await SendAsync(HttpMethod.Put, "/instances/anew/cloud-init?wait=60", "{}");
        (await daemon.Api.GetInstanceAsync("anew")).CloudInit!.InstanceId.ShouldEndWith("-4", customMessage: "no number comes back");
    }

    [Fact]
    public async Task A_template_is_laid_under_it_field_by_field_and_raw_user_data_take_the_place_of_fields()
    {
        await SendAsync(HttpMethod.Post, "/templates", """
            {"name": "base", "settings": {"cloudInit": {"timezone": "UTC", "users": [{"name": "ann", "shell": "/bin/sh", "sudo": true}], "dnsServers": ["10.0.0.1"]}}}
            """);
        await daemon.MakeAsync("""
            {"name": "fields", "kind": "microvm", "boot": {"kernel": "/boot/any"}, "template": "base", "cloudInit": {"users": [{"name": "ann", "shell": "/bin/bash"}, {"name": "bob"}]}}
            """);
        await daemon.MakeAsync("""{"name": "raw", "kind": "microvm", "boot": {"kernel": "/boot/any"}, "template": "base", "cloudInit": {"userData": "#!/bin/sh"}}""");

        (await SendAsync(HttpMethod.Get, "/instances/fields/cloud-init")).ShouldBe(
            """{"users":[{"name":"ann","sudo":true,"shell":"/bin/bash"},{"name":"bob"}],"timezone":"UTC","dnsServers":["10.0.0.1"]}""");
        (await SendAsync(HttpMethod.Get, "/instances/raw/cloud-init")).ShouldBe("""{"userData":"#!/bin/sh","dnsServers":["10.0.0.1"]}""");
    }

    [Fact]
    public async Task A_template_can_be_sent_back_as_it_is_shown_and_a_list_does_not_show_what_it_says()
    {
        await SendAsync(HttpMethod.Post, "/templates", $$"""{"name": "back", "settings": {"cloudInit": {"runcmd": ["token 17"], "users": [{"name": "ann", "password": "{{Secret}}"}]} } }""");
        var before = await StoredAsync();

        var (_, _, shown) = await daemon.SendAsync(HttpMethod.Get, "/templates/back");
        await SendAsync(HttpMethod.Patch, "/templates/back", $$"""{"settings": {{shown.GetProperty("settings").GetRawText()}} }""");
        (await StoredAsync()).ShouldBe(before);
        (await daemon.SendAsync(HttpMethod.Patch, "/templates/back", """{"settings": {"cloudInit": {"users": [{"name": "eve", "hasPassword": true}]}}}""")).Problem!.Errors!
            .ShouldHaveSingleItem().Path.ShouldBe("$.settings.cloudInit.users[0].hasPassword");

        shown.GetRawText().ShouldContain("token 17");
        var listed = await daemon.SendAsync(HttpMethod.Get, "/templates?filter=name eq back");
        listed.Body.GetProperty("items")[0].GetProperty("settings").GetRawText().ShouldBe("""{"cloudInit":{}}""");

        Task<string?> StoredAsync() => daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteScalarAsync<string?>("select settings::text from templates where name = 'back'"), default);
    }

    [Fact]
    public async Task Addresses_for_a_NIC_it_does_not_have_and_cloud_init_for_what_does_not_run_it_are_refused()
    {
        const string Nics = """{"nics": [{"name": "eth9", "addresses": ["10.0.0.5/24"]}]}""";
        await daemon.GivenInstanceAsync("nic-less");

        (await daemon.SendAsync(HttpMethod.Post, "/instances?wait=60", Body("never", Nics))).Problem!.Code.ShouldBe("cloud_init.unknown_nic");
        (await daemon.SendAsync(HttpMethod.Put, "/instances/nic-less/cloud-init?wait=60", Nics)).Problem!.Code.ShouldBe("cloud_init.unknown_nic");
        await daemon.GivenInstanceAsync("broken", InstanceState.Error);
        (await daemon.SendAsync(HttpMethod.Put, "/instances/broken/cloud-init?wait=60", "{}")).Problem!.Code.ShouldBe("instance.wrong_state");
        (await daemon.SendAsync(HttpMethod.Put, "/instances/no-such/cloud-init?wait=60", "{}")).Problem!.Code.ShouldBe("instance.unknown");
        (await daemon.Api.ListInstancesAsync()).Items.ShouldNotContain(i => i.Name == "never");
    }

    [Fact]
    public async Task What_is_wrong_is_told_all_at_once_and_never_repeats_a_secret()
    {
        var (status, problem, body) = await daemon.SendAsync(HttpMethod.Post, "/instances", Body("wrong", """
            {"hostname": "a.b", "timezone": "../etc", "users": [{"name": "Ann", "passwordHash": "hunter2", "sshKeys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, {"name": "Ann", "hasPassword": true}],
             "userData": "#!/bin/sh", "writeFiles": [{"path": "etc", "permissions": "9"}], "dnsServers": ["dns"], "nics": [{"name": "eth0", "addresses": ["10.0.0.5", "10.0.0.5/33"], "gateway": "fd00::1"}]}
            """));

        (status, problem!.Code).ShouldBe((422, "request.invalid"));
        problem.Errors!.Select(e => e.Path).ShouldBe(
        [
            "$.cloudInit.userData", "$.cloudInit.hostname", "$.cloudInit.timezone", "$.cloudInit.dnsServers[0]",
            "$.cloudInit.users[0].name", "$.cloudInit.users[0].passwordHash", "$.cloudInit.users[0].sshKeys[0]", "$.cloudInit.users[1].name", "$.cloudInit.users[1].hasPassword",
            "$.cloudInit.users[1].name", "$.cloudInit.writeFiles[0].path", "$.cloudInit.writeFiles[0].permissions",
            "$.cloudInit.nics[0].addresses[0]", "$.cloudInit.nics[0].addresses[1]", "$.cloudInit.nics[0].gateway",
        ], ignoreOrder: true);
        body.GetRawText().ShouldNotContain("hunter2");
    }

    private static string Body(string name, string cloudInit) => $$"""{"name": "{{name}}", "kind": "microvm", "boot": {"kernel": "/boot/any"}, "cloudInit": {{cloudInit}}}""";

    private async Task<string> SendAsync(HttpMethod method, string path, string? json = null, params (string, string)[] headers)
    {
        var (status, problem, body) = await daemon.SendAsync(method, path, json, headers);
        status.ShouldBeInRange(200, 201, problem?.Detail);
        return body.GetRawText();
    }

    private async Task ShouldBeHashOfAsync(string hash, string password)
    {
        var made = await daemon.Node.Context.Shell.RunAsync(new("openssl", ["passwd", "-6", "-salt", hash.Split('$')[2], password], TimeSpan.FromMinutes(1)), default);
        hash.ShouldBe(made.Output.Trim());
    }

    /// <summary>The files and tables in which a text stands.</summary>
    private async Task<List<string>> WhereAsync(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var found = Directory.GetFiles(daemon.Node.Context.Root.Path, "*", SearchOption.AllDirectories)
            .Where(f => !f.EndsWith(".sock", StringComparison.Ordinal) && File.ReadAllBytes(f).AsSpan().IndexOf(bytes) >= 0).ToList();
        await daemon.Services.GetRequiredService<Db>().WithAsync(async connection =>
        {
            foreach (var table in await connection.QueryAsync<string>("select table_name from information_schema.tables where table_schema = 'public'"))
            {
                if (await connection.ExecuteScalarAsync<bool>($"select exists (select from \"{table}\" t where strpos(t::text, @text) > 0)", new { text }))
                {
                    found.Add(table);
                }
            }

            return true;
        }, default);
        return found;
    }
}
