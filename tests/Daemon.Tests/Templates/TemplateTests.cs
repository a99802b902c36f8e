using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Templates;

/// <summary>Templates as one keeps and changes them, over HTTP.</summary>
public sealed class TemplateTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private static readonly string[] BuiltIn = ["linux", "linux-microvm", "windows", "windows-virtio"];

    [Fact]
    public async Task Those_that_are_part_of_Gantry_are_listed_shown_and_stay_as_they_are()
    {
        var all = await daemon.Api.ListTemplatesAsync("?filter=builtIn eq true");
        all.Items.Select(t => t.Name).ShouldBe(BuiltIn);

        var windows = all.Items.Single(t => t.Name == "windows-virtio");
        (windows.BuiltIn, windows.Base, windows.Least).ShouldBe((true, "windows", new LeastSize(2, 1L << 30)));
        windows.Settings.Volumes!.Select(v => (v.Name, v.Bus)).ShouldBe([("root", VolumeBus.Virtio), ("install", null), ("drivers", null), ("answers", null)]);
        (windows.Origins["$.volumes[0].bus"], windows.Origins["$.volumes[0].sizeBytes"], windows.Origins["$.cpus"]).ShouldBe(("built-in windows-virtio", "built-in windows", "built-in windows"));
        (await daemon.Api.GetTemplateAsync(windows.Id.ToString())).Name.ShouldBe("windows-virtio");
        foreach (var name in BuiltIn)
        {
            foreach (var (method, json) in ((HttpMethod, string?)[])[(HttpMethod.Patch, """{"description":"mine"}"""), (HttpMethod.Delete, null)])
            {
                var (status, problem, _) = await daemon.SendAsync(method, $"/templates/{name}", json);
                (status, problem!.Code).ShouldBe((409, "template.built_in"));
                problem.Hint!.ShouldContain("copy");
            }

            (await daemon.SendAsync(HttpMethod.Post, "/templates", $$"""{"name":"{{name}}"}""")).Problem!.Code.ShouldBe("template.name_taken");
        }
    }

    [Fact]
    public async Task A_list_has_pages_in_which_both_kinds_stand_by_name()
    {
        await Make("""{"name":"list-b"}""", """{"name":"list-a"}""", """{"name":"zz-list"}""");
        var names = new List<string>();
        for (string? cursor = "", query = "?limit=2"; cursor is not null; query = $"?limit=2&cursor={cursor}")
        {
            var page = await daemon.Api.ListTemplatesAsync(query);
            names.AddRange(page.Items.Select(t => t.Name));
            cursor = page.NextCursor;
        }

        names.ShouldBe(names.Order(StringComparer.Ordinal));
        names.ShouldBeUnique();
        BuiltIn.Concat(["list-a", "list-b", "zz-list"]).Except(names).ShouldBeEmpty();
        (await daemon.Api.ListTemplatesAsync("?filter=name like 'list-*' and builtIn eq false")).Items.Select(t => t.Name).ShouldBe(["list-a", "list-b"]);
        var (_, _, body) = await daemon.SendAsync(HttpMethod.Get, "/templates?fields=name&filter=base eq windows");
        body.GetProperty("items").EnumerateArray().Select(i => i.GetRawText()).ShouldContain("""{"name":"windows-virtio"}""");
    }

    [Fact]
    public async Task A_copy_stands_on_its_base_and_shows_where_each_value_came_from()
    {
        var copy = await daemon.Api.CreateTemplateAsync(new() { Name = "win-web", Description = "ours", From = new(Template: "windows"), Settings = new() { MemoryBytes = 6L << 30, Windows = new() { Locale = "de-DE" } } });
        (copy.Base, copy.BuiltIn, copy.Description, copy.Settings.Cpus, copy.Settings.MemoryBytes).ShouldBe(("windows", false, "ours", 2, 6L << 30));
        (copy.Origins["$.memoryBytes"], copy.Origins["$.cpus"], copy.Origins["$.windows.locale"]).ShouldBe(("template win-web", "built-in windows", "template win-web"));
        copy.Least.ShouldBe(new(2, 1L << 30));

        var second = await daemon.Api.CreateTemplateAsync(new() { Name = "win-db", From = new(Template: "win-web"), Settings = new() { AutoStart = true } });
        (second.Base, second.Description, second.Settings.AutoStart, second.Settings.MemoryBytes, second.Settings.Windows!.Locale).ShouldBe(("windows", "ours", true, 6L << 30, "de-DE"));
        second.Origins["$.memoryBytes"].ShouldBe("template win-db");

        await daemon.Api.DeleteTemplateAsync("win-web");
        (await daemon.Api.GetTemplateAsync("win-db")).Settings.MemoryBytes.ShouldBe(6L << 30);
    }

    [Fact]
    public async Task A_template_is_changed_by_a_merge_patch_and_told_of()
    {
        var made = await daemon.Api.CreateTemplateAsync(new() { Name = "patched", From = new(Template: "windows"), Settings = new() { MemoryBytes = 6L << 30 } });
        var told = daemon.NextEventAsync(EventTypes.TemplateUpdated, $"templates/{made.Id}");

        var changed = await PatchAsync("patched", """{"name":"patched-2","description":"new","settings":{"memoryBytes":null,"labels":{"a":"b"},"volumes":[{"name":"root","sizeBytes":137438953472}]}}""");

        (changed.Id, changed.Name, changed.Description).ShouldBe((made.Id, "patched-2", "new"));
        (changed.Settings.MemoryBytes, changed.Origins["$.memoryBytes"]).ShouldBe((4L << 30, "built-in windows"));
        changed.Settings.Volumes!.Count.ShouldBe(4);
        (changed.Settings.Volumes[0].SizeBytes, changed.Settings.Volumes[0].Bus).ShouldBe((128L << 30, VolumeBus.Sata));
        changed.Etag.ShouldNotBe(made.Etag);
        (await told).Data!.Value.GetProperty("name").GetString().ShouldBe("patched-2");
        (await daemon.SendAsync(HttpMethod.Get, "/templates/patched")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task A_change_or_deletion_of_what_was_changed_meanwhile_is_refused()
    {
        var made = await daemon.Api.CreateTemplateAsync(new() { Name = "etag" });
        await PatchAsync("etag", """{"description":"first"}""");

        foreach (var (method, json) in ((HttpMethod, string?)[])[(HttpMethod.Patch, """{"description":"second"}"""), (HttpMethod.Delete, null)])
        {
            (await daemon.SendAsync(method, "/templates/etag", json, ("If-Match", made.Etag))).Problem!.Code.ShouldBe("template.changed");
        }

        var now = await daemon.Api.GetTemplateAsync("etag");
        now.Description.ShouldBe("first");
        var told = daemon.NextEventAsync(EventTypes.TemplateDeleted, $"templates/{made.Id}");
        (await daemon.SendAsync(HttpMethod.Delete, "/templates/etag", null, ("If-Match", now.Etag))).Status.ShouldBe(204);
        await told;
        (await daemon.SendAsync(HttpMethod.Delete, "/templates/etag")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task A_name_is_used_once_however_many_want_it()
    {
        var all = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => daemon.SendAsync(HttpMethod.Post, "/templates", $$$"""{"name":"race","settings":{"cpus":{{{(i % 2) + 1}}} }}""", ("Idempotency-Key", $"race-{i}"))));

        all.Count(a => a.Status == 201).ShouldBe(1);
        all.Where(a => a.Status != 201).ShouldAllBe(a => a.Problem!.Code == "template.name_taken");

        await daemon.Api.CreateTemplateAsync(new() { Name = "race-other" });
        (await daemon.SendAsync(HttpMethod.Patch, "/templates/race-other", """{"name":"race"}""")).Problem!.Code.ShouldBe("template.name_taken");
        (await daemon.SendAsync(HttpMethod.Patch, "/templates/race-other", """{"name":"linux"}""")).Problem!.Code.ShouldBe("template.name_taken");
    }

    [Fact]
    public async Task Changes_at_the_same_time_lose_none()
    {
        await daemon.Api.CreateTemplateAsync(new() { Name = "many-hands" });

        await Task.WhenAll(Enumerable.Range(0, 10).Select(i => PatchAsync("many-hands", $$$$"""{"settings":{"labels":{"k{{{{i}}}}":"v"}}}""")));

        (await daemon.Api.GetTemplateAsync("many-hands")).Settings.Labels!.Count.ShouldBe(10);
    }

    [Fact]
    public async Task The_same_request_twice_makes_one()
    {
        const string body = """{"name":"once"}""";
        var (first, _, one) = await daemon.SendAsync(HttpMethod.Post, "/templates", body, ("Idempotency-Key", "k1"));
        var (second, _, two) = await daemon.SendAsync(HttpMethod.Post, "/templates", body, ("Idempotency-Key", "k1"));

        (first, second).ShouldBe((201, 201));
        one.GetProperty("id").GetString().ShouldBe(two.GetProperty("id").GetString());
        (await daemon.SendAsync(HttpMethod.Post, "/templates", """{"name":"twice"}""", ("Idempotency-Key", "k1"))).Problem!.Code.ShouldBe("template.idempotency_key_reused");
    }

    [Theory]
    [InlineData("{}", "$.name")]
    [InlineData("""{"name":"Bad Name","description":"a\u0000","from":{}}""", "$.name", "$.description", "$.from")]
    [InlineData("""{"name":"x","from":{"template":"linux","instance":"y"}}""", "$.from")]
    [InlineData("""{"name":"x","from":"linux"}""", "$.from")]
    [InlineData("""{"name":"x","settings":{"colour":"red"}}""", "$.settings.colour")]
    [InlineData("""{"name":"x","settings":{"name":"web1"}}""", "$.settings.name")]
    [InlineData("""{"name":"x","settings":{"cpus":0,"memoryBytes":1}}""", "$.settings.cpus", "$.settings.memoryBytes")]
    [InlineData("""{"name":"x","settings":{"volumes":[{"name":"a"},{"name":"a"}]}}""", "$.settings.volumes[1].name")]
    [InlineData("""{"name":"x","from":{"template":"windows"},"settings":{"cpus":1}}""", "$.settings.cpus")]
    [InlineData("""{"name":"x","from":{"template":"windows"},"settings":{"volumes":[{"name":"drivers","path":"iso"}]}}""", "$.settings.volumes[0].path")]
    [InlineData("""{"name":"x","settings":{"volumes":[{"name":"a","generated":"windowsAnswers"}]}}""", "$.settings.volumes[0].generated")]
    [InlineData("""{"name":"x","settings":{"volumes":[{"name":"a","device":"cdrom","generated":"windowsAnswers","path":"/x"}]}}""", "$.settings.volumes[0]")]
    [InlineData("""{"name":"x","settings":{"volumes":[{"name":"a","device":"cdrom","generated":"windowsAnswers"},{"name":"b","device":"cdrom","generated":"windowsAnswers"}]}}""", "$.settings.volumes[1].generated")]
    [InlineData("""{"name":"x","settings":{"clock":"sundial"}}""", "$.settings.clock")]
    [InlineData("""{"name":"x","settings":{"windows":{"computerName":"12345","locale":"german","productKey":"AAAAA","accountName":"Administrator"}}}""",
        "$.settings.windows.computerName", "$.settings.windows.locale", "$.settings.windows.productKey", "$.settings.windows.accountName")]
    [InlineData("""{"name":"x","settings":{"windows":{"computerName":"a-name-too-long-x","edition":"","organization":"a\u0007","timeZone":"\uffff"}}}""",
        "$.settings.windows.computerName", "$.settings.windows.timeZone", "$.settings.windows.edition", "$.settings.windows.organization")]
    public async Task What_is_wrong_is_told_by_path(string json, params string[] paths)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/templates", json);

        (status, problem!.Code).ShouldBe((422, "request.invalid"));
        problem.Errors!.Select(e => e.Path).ShouldBe(paths);
        (await daemon.SendAsync(HttpMethod.Get, "/templates/x")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task Lists_beyond_reason_are_refused_unread()
    {
        var many = string.Join(',', Enumerable.Repeat("""{"name":"a"}""", 50_000));

        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/templates", $$"""{"name":"x","settings":{"volumes":[{{many}}]} }""");

        (status, problem!.Errors!.Single()).ShouldBe((422, new Fault("$.settings.volumes", $"50000 are more than {Limits.Volumes}")));
    }

    [Fact]
    public async Task A_product_key_that_is_refused_is_not_repeated()
    {
        var (_, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/templates", """{"name":"x","settings":{"windows":{"productKey":"SECRE-T"}}}""");

        JsonSerializer.Serialize(problem!, WireJson.Default.Problem).ShouldNotContain("SECRE");
    }

    [Theory]
    [InlineData("""{"settings":{"cpus":999}}""", "$.settings.cpus")]
    [InlineData("""{"settings":{"volumes":[{"path":"/x"}]}}""", "$.settings.volumes[0].name")]
    [InlineData("""{"name":null}""", "$.name")]
    [InlineData("""{"settings":{"boot":{"order":["nothing"]}}}""", "$.settings.boot.order[0]")]
    public async Task A_change_that_is_wrong_changes_nothing(string json, string path)
    {
        await daemon.SendAsync(HttpMethod.Post, "/templates", """{"name":"steady"}""");

        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Patch, "/templates/steady", json);

        (status, problem!.Errors!.Single().Path).ShouldBe((422, path));
        (await daemon.Api.GetTemplateAsync("steady")).Origins.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("""{"name":"x","from":{"template":"nope"}}""", "template.unknown")]
    [InlineData("""{"name":"x","from":{"template":"../etc"}}""", "template.unknown")]
    [InlineData("""{"name":"x","from":{"instance":"nope"}}""", "instance.unknown")]
    public async Task What_is_not_there_makes_no_template(string json, string code) =>
        (await daemon.SendAsync(HttpMethod.Post, "/templates", json)).Problem!.Code.ShouldBe(code);

    private async Task Make(params string[] bodies)
    {
        foreach (var body in bodies)
        {
            (await daemon.SendAsync(HttpMethod.Post, "/templates", body)).Status.ShouldBe(201);
        }
    }

    private async Task<Template> PatchAsync(string name, string json)
    {
        var (status, problem, body) = await daemon.SendAsync(HttpMethod.Patch, $"/templates/{name}", json);
        status.ShouldBe(200, problem?.Detail);
        return body.Deserialize(WireJson.Default.Template)!;
    }
}
