using System.Net.Http.Headers;
using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Images;

public sealed class ImageImportTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private static readonly byte[] Disk = [.. Enumerable.Range(0, 1 << 16).Select(i => (byte)(i * 13))];

    private static readonly string Sum = Convert.ToHexStringLower(SHA256.HashData(Disk));

    [Fact]
    public async Task A_file_of_the_node_is_imported_with_what_was_said_of_it()
    {
        var path = await GivenFileAsync("node.raw");

        var operation = await RunningDaemon.DoneAsync(daemon.Api.ImportImageAsync(
            new() { Name = "from-path", Path = path, Sha256 = Sum, Firmware = Firmware.Uefi, Architecture = Architecture.Aarch64, Description = "an old one" }, 60));

        operation.Kind.ShouldBe("image.import");
        var image = await daemon.Api.GetImageAsync("from-path");
        (image.State, image.DefaultKind, image.Firmware, image.Architecture).ShouldBe((ImageState.Ready, InstanceKind.Vm, Firmware.Uefi, Architecture.Aarch64));
        (image.DiskBytes, image.Source, image.Description).ShouldBe((Disk.Length, "node.raw", "an old one"));
        image.UsedBy.ShouldBe([]);
        (await daemon.Api.ListImagesAsync("?filter=architecture eq aarch64")).Items.Single().Name.ShouldBe("from-path");
        File.Exists(path).ShouldBeTrue();
    }

    [Fact]
    public async Task A_disk_is_sent_and_is_larger_than_other_bodies_may_be()
    {
        var large = new byte[Limits.BodyBytes * 3];
        Disk.CopyTo(large, large.Length - Disk.Length);

        var operation = await daemon.Api.UploadImageAsync(new() { Name = "sent", Firmware = Firmware.Bios, Description = "ü & co" }, Body(large), "large.raw");
        (await daemon.Api.GetOperationAsync(operation.Id, 60)).State.ShouldBe(OperationState.Succeeded);

        var image = await daemon.Api.GetImageAsync("sent");
        (image.DiskBytes, image.Source, image.Description).ShouldBe((large.Length, "large.raw", "ü & co"));
    }

    [Theory]
    [InlineData("name=Bad_Name", "request.invalid")]
    [InlineData("", "request.invalid")]
    [InlineData("name=x&sha256=12", "request.invalid")]
    [InlineData("name=x&format=iso", "request.invalid")]
    [InlineData("name=x&kernel=/boot/vmlinuz", "request.invalid")]
    [InlineData("name=x&path=/etc/passwd", "request.invalid")]
    [InlineData("name=x&firmware=direct", "request.invalid")]
    [InlineData("name=x&source=a%1bb", "request.invalid")]
    public async Task A_sent_disk_with_a_faulty_query_is_refused_before_its_bytes(string query, string code)
    {
        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.UploadAsync($"/images:upload?{query}", Body(Disk)));

        (refusal.Status, refusal.Code).ShouldBe((422, code));
        NothingIsLeft();
    }

    [Fact]
    public async Task A_sent_disk_with_another_sum_fails_and_leaves_nothing()
    {
        var operation = await daemon.Api.UploadImageAsync(new() { Name = "wrong-sum", Sha256 = new string('0', 64) }, Body(Disk));

        (await daemon.Api.GetOperationAsync(operation.Id, 60)).Error!.Code.ShouldBe("image.sha256_mismatch");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.GetImageAsync("wrong-sum"))).Code.ShouldBe("image.unknown");
        NothingIsLeft();
    }

    [Theory]
    [InlineData("""{"name":"x"}""", "$.url")]
    [InlineData("""{"name":"x","url":"http://h/d","path":"/d"}""", "$.path")]
    [InlineData("""{"name":"x","path":"d"}""", "$.path")]
    [InlineData("""{"name":"x","path":"/d","format":"iso"}""", "$.format")]
    [InlineData("""{"name":"x","path":"/d","sha256":"zz"}""", "$.sha256")]
    [InlineData("""{"name":"x","path":"/d","firmware":"direct"}""", "$.firmware")]
    [InlineData("""{"name":"x","path":"/d","initrd":"/i"}""", "$.initrd")]
    [InlineData("""{"name":"x","path":"/d","commandLine":"quiet"}""", "$.commandLine")]
    [InlineData("""{"name":"x","kernel":"/k","firmware":"uefi"}""", "$.firmware")]
    [InlineData("""{"name":"x","kernel":"/k","sha256":"0000000000000000000000000000000000000000000000000000000000000000"}""", "$.sha256")]
    [InlineData("""{"name":"x","path":"/d","defaultKind":"container"}""", "$.defaultKind")]
    [InlineData("""{"name":"x","path":"/d","architecture":"sparc"}""", "$.architecture")]
    [InlineData("""{"name":"-x","path":"/d"}""", "$.name")]
    public async Task A_body_that_makes_no_sense_is_refused_with_the_place(string json, string at)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/images:import", json);

        (status, problem!.Code).ShouldBe((422, "request.invalid"));
        problem.Errors!.Select(e => e.Path).ShouldContain(at);
    }

    [Theory]
    [InlineData("http://169.254.169.254/latest", "image.address_refused")]
    [InlineData("file:///etc/passwd", "image.url_refused")]
    [InlineData("http://ann:word@127.0.0.1/disk", "image.url_refused")]
    public async Task An_address_that_is_not_for_images_is_refused_at_once(string url, string code)
    {
        (await RunningDaemon.RefusedAsync(() => daemon.Api.ImportImageAsync(new() { Name = "evil", Url = url }))).Code.ShouldBe(code);
        NothingIsLeft();
    }

    [Fact]
    public async Task A_name_is_used_once()
    {
        var path = await GivenFileAsync("twice.raw");
        await RunningDaemon.DoneAsync(daemon.Api.ImportImageAsync(new() { Name = "twice", Path = path }, 60));

        (await RunningDaemon.RefusedAsync(() => daemon.Api.ImportImageAsync(new() { Name = "twice", Path = path }))).Code.ShouldBe("image.name_taken");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.UploadImageAsync(new() { Name = "twice" }, Body(Disk)))).Code.ShouldBe("image.name_taken");
    }

    [Fact]
    public async Task An_image_is_renamed_and_described_if_nobody_was_faster()
    {
        var path = await GivenFileAsync("renamed.raw");
        await RunningDaemon.DoneAsync(daemon.Api.ImportImageAsync(new() { Name = "before", Path = path }, 60));
        await RunningDaemon.DoneAsync(daemon.Api.ImportImageAsync(new() { Name = "other", Path = path }, 60));
        var read = await daemon.Api.GetImageAsync("before");
        var told = daemon.NextEventAsync(EventTypes.ImageUpdated, $"images/{read.Id}");

        var renamed = await daemon.Api.RenameImageAsync("before", "after");

        (renamed.Id, renamed.Name, renamed.Etag == read.Etag).ShouldBe((read.Id, "after", false));
        await told;
        (await RunningDaemon.RefusedAsync(() => daemon.Api.RenameImageAsync("after", "other"))).Code.ShouldBe("image.name_taken");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.RenameImageAsync("after", "Not a name"))).Code.ShouldBe("request.invalid");
        (await daemon.Api.UpdateImageAsync("after", new("for the front"))).Description.ShouldBe("for the front");
        (await daemon.Api.UpdateImageAsync("after", new())).Description.ShouldBe("for the front");
        (await daemon.Api.UpdateImageAsync("after", new(""))).Description.ShouldBeNull();

        foreach (var (method, target, body) in new[] { (HttpMethod.Post, "/images/after/rename", """{"name":"late"}"""), (HttpMethod.Patch, "/images/after", """{"description":"late"}"""), (HttpMethod.Delete, "/images/after", null) })
        {
            var (status, problem, _) = await daemon.SendAsync(method, target, body, ("If-Match", read.Etag));
            (status, problem!.Code).ShouldBe((412, "image.changed"), target);
        }
    }

    [Fact]
    public async Task An_image_is_made_of_a_stopped_instance_alone()
    {
        await daemon.GivenInstanceAsync("diskless");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateImageAsync(new("golden", "diskless")))).Code.ShouldBe("image.no_disk");
        await daemon.MakeAsync("""{"name":"busy","kind":"vm","boot":{"firmware":"uefi"},"volumes":[{"name":"disc","device":"cdrom"},{"name":"zero","sizeBytes":2097152},{"name":"a","sizeBytes":1048576}],"startNow":true}""");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateImageAsync(new("golden", "busy")))).Code.ShouldBe("instance.wrong_state");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateImageAsync(new("golden", "nobody")))).Code.ShouldBe("instance.unknown");

        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("busy", InstanceAction.Stop, 60));
        await RunningDaemon.DoneAsync(daemon.Api.CreateImageAsync(new("golden", "busy", "as it was"), 60));

        var image = await daemon.Api.GetImageAsync("golden");
        (image.DiskBytes, image.Source, image.Description).ShouldBe((2 << 20, "instance busy", "as it was"));
    }

    [Fact]
    public async Task What_an_upload_left_when_its_daemon_ended_is_removed_by_the_next()
    {
        var id = Id<Image>.New();
        await daemon.Node.KeepImageUploadAsync(id, new MemoryStream(Disk), default);
        daemon.Node.ImageWorkshops().ShouldContain(id);

        await daemon.RestartAsync();

        await Eventually.ShouldBeAsync(() => Task.FromResult(daemon.Node.ImageWorkshops().Count), 0);
    }

    private static ByteArrayContent Body(byte[] bytes) => new(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("application/octet-stream") } };

    private void NothingIsLeft() => daemon.Node.ImageWorkshops().ShouldBeEmpty();

    private async Task<string> GivenFileAsync(string name)
    {
        var path = $"{daemon.Node.Context.Root.Data}/{name}";
        await File.WriteAllBytesAsync(path, Disk);
        return path;
    }
}
