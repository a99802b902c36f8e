using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Templates;

/// <summary>Instances made with templates, and templates made of instances.</summary>
public sealed class InstanceOfTemplateTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Fact]
    public async Task The_request_wins_over_the_template_and_that_over_the_default()
    {
        await daemon.Api.CreateTemplateAsync(new() { Name = "small", Settings = new() { Cpus = 2, MemoryBytes = 256 << 20, Labels = Labels("tier", "front", "a", "t"), AutoStart = true, Boot = new() { CommandLine = "quiet" } } });

        var made = await daemon.MakeAsync("""{"name":"of-small","template":"small","cpus":1,"kind":"microvm","labels":{"a":"r"},"boot":{"kernel":"/boot/any"}}""");

        (made.Cpus, made.MemoryBytes, made.AutoStart, made.Boot.CommandLine, made.Boot.Firmware).ShouldBe((1, 256L << 20, true, "quiet", Firmware.Direct));
        made.Labels.ShouldBe(Labels("tier", "front", "a", "r"), ignoreOrder: true);
        await daemon.Api.DeleteTemplateAsync("small");
        (await daemon.Api.GetInstanceAsync("of-small")).MemoryBytes.ShouldBe(256L << 20);
    }

    [Fact]
    public async Task Windows_has_its_shape()
    {
        var made = await daemon.MakeAsync("""{"name":"win1","template":"windows","windows":{"computerName":"WIN1"}}""");

        (made.Kind, made.Cpus, made.MemoryBytes, made.Boot.Firmware, made.Clock).ShouldBe((InstanceKind.Vm, 2, 4L << 30, Firmware.Uefi, ClockBase.Localtime));
        made.Security.ShouldBe(new() { SecureBoot = true, Tpm = true });
        made.Boot.Order.ShouldBe(["install", "root"]);
        made.Volumes!.Select(v => (v.Name, v.Device, v.Bus, v.SizeBytes, v.Generated)).ShouldBe(
        [
            ("root", VolumeDevice.Disk, VolumeBus.Sata, 64L << 30, null),
            ("install", VolumeDevice.Cdrom, VolumeBus.Sata, null, null),
            ("drivers", VolumeDevice.Cdrom, VolumeBus.Sata, null, null),
            ("answers", VolumeDevice.Cdrom, VolumeBus.Sata, null, GeneratedDisc.WindowsAnswers),
        ]);
        made.Nics!.Single().Model.ShouldBe(NicModel.E1000e);
        made.Nics![0].Mac!.ShouldStartWith("52:54:00:");
        var disc = $"{daemon.Node.Context.Folders.Data(made.Id)}/answers.iso";
        File.GetUnixFileMode(disc).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);

        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("win1", force: false, 60));
        File.Exists(disc).ShouldBeFalse();
    }

    [Theory]
    [InlineData("""{"cpus":1}""", "$.cpus", "1 is less than built-in windows needs (2)")]
    [InlineData("""{"memoryBytes":536870912}""", "$.memoryBytes", "536870912 is less than built-in windows needs (1024 MiB)")]
    [InlineData("""{"volumes":[{"name":"x"},{"name":"install","path":"win.iso"}]}""", "$.volumes[1].path", "a path is absolute and has no '.' or '..' in it")]
    [InlineData("""{"volumes":[{"name":"drivers","sizeBytes":1048576}]}""", "$.volumes[0]", "a drive for discs takes no pool, size, cache or limits")]
    public async Task A_request_that_does_not_suit_its_template_is_refused_where_it_says_so(string json, string path, string message)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", json[..^1] + ""","name":"x","template":"windows"}""");

        (status, problem!.Errors!.Single()).ShouldBe((422, new Fault(path, message)));
    }

    [Fact]
    public async Task A_fault_that_comes_of_the_template_names_it()
    {
        await daemon.Api.CreateTemplateAsync(new() { Name = "laid-out", Settings = new() { Cpus = 2, Cpu = new() { Sockets = 2 } } });

        var (_, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", """{"name":"x","template":"laid-out","cpus":1}""");

        var fault = problem!.Errors!.Single();
        fault.Path.ShouldBe("$.cpu");
        fault.Message.ShouldEndWith(" (from template laid-out)");
    }

    [Theory]
    [InlineData("nope")]
    [InlineData("../linux")]
    public async Task A_template_that_is_not_there_makes_nothing(string template) =>
        (await daemon.SendAsync(HttpMethod.Post, "/instances", $$"""{"name":"x","template":"{{template}}"}""")).Problem!.Code.ShouldBe("template.unknown");

    [Fact]
    public async Task A_dry_run_shows_everything_with_its_origin_and_makes_nothing()
    {
        var before = (await daemon.Api.ListInstancesAsync()).Items.Count;
        var asked = new CreateInstance { Name = "dry", Template = "windows", Cpus = 2, Volumes = [new() { Name = "data" }], Nics = [new() { Name = "eth1", Mac = "52:54:00:00:00:0A" }] };

        var preview = await daemon.Api.PreviewInstanceAsync(asked);

        (preview.Name, preview.Template, preview.Settings.Driver, preview.Settings.Cpus).ShouldBe(("dry", "windows", "sim", 2));
        preview.Settings.Volumes!.Select(v => (v.Name, v.SizeBytes)).ShouldBe([("root", 64L << 30), ("install", null), ("drivers", null), ("answers", null), ("data", 10L << 30)]);
        preview.Settings.Nics!.Select(n => (n.Name, n.Mac)).ShouldBe([("eth0", null), ("eth1", "52:54:00:00:00:0a")]);
        new[] { "$.cpus", "$.memoryBytes", "$.driver", "$.volumes[4].name", "$.volumes[4].sizeBytes", "$.nics[1].mac", "$.autoStart" }.Select(path => preview.Origins[path])
            .ShouldBe(["request", "built-in windows", "default", "request", "default", "request", "default"]);
        (await daemon.Api.ListInstancesAsync()).Items.Count.ShouldBe(before);
        (await daemon.Api.ListOperationsAsync("?limit=1000")).Items.ShouldNotContain(o => o.TargetName == "dry");

        // What it shows is what is made.
        await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(asked, 60));
        var made = await daemon.Api.GetInstanceAsync("dry");
        (made.Volumes, made.MaxCpus, made.MaxMemoryBytes).ShouldBe((made.Volumes, preview.Settings.MaxCpus, preview.Settings.MaxMemoryBytes));
        made.Volumes.ShouldBe(preview.Settings.Volumes);
        (await RunningDaemon.RefusedAsync(() => daemon.Api.PreviewInstanceAsync(asked))).Code.ShouldBe("instance.name_taken");
    }

    [Fact]
    public async Task A_dry_run_refuses_what_could_not_be_made()
    {
        (await RunningDaemon.RefusedAsync(() => daemon.Api.PreviewInstanceAsync(new() { Name = "x" }))).Code.ShouldBe("instance.nothing_to_boot");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.PreviewInstanceAsync(new() { Name = "x", Image = "nope" }))).Code.ShouldBe("image.unknown");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.PreviewInstanceAsync(new() { Name = "x", Cpus = 0 }))).Faults.Single().Path.ShouldBe("$.cpus");
    }

    [Fact]
    public async Task A_template_of_an_instance_has_all_but_what_is_its_own_and_makes_its_like()
    {
        var first = await daemon.MakeAsync("""
            {"name":"model","template":"windows","memoryBytes":2147483648,"labels":{"a":"b"},"windows":{"computerName":"MODEL","organization":"Us & Them"},
             "nics":[{"name":"eth0","mac":"52:54:00:12:34:56"},{"name":"eth1"}]}
            """);

        var template = await daemon.Api.CreateTemplateAsync(new() { Name = "like-model", From = new(Instance: "model") });

        template.Settings.Nics!.Select(n => n.Mac).ShouldBe([null, null]);
        (template.Settings.Windows, template.Settings.MaxCpus, template.Settings.MaxMemoryBytes).ShouldBe((new() { Organization = "Us & Them" }, null, null));
        template.Origins.Values.Distinct().ShouldBe(["template like-model"]);

        var second = await daemon.MakeAsync("""{"name":"like","template":"like-model"}""");
        (second.Kind, second.Cpus, second.MemoryBytes, second.Boot.Firmware, second.Clock, second.Security).ShouldBe((first.Kind, first.Cpus, first.MemoryBytes, first.Boot.Firmware, first.Clock, first.Security));
        second.Volumes.ShouldBe(first.Volumes);
        second.Labels.ShouldBe(first.Labels);
        second.Nics!.Select(n => n.Mac).Intersect(first.Nics!.Select(n => n.Mac)).ShouldBeEmpty();
    }

    private static Dictionary<string, string> Labels(params string[] pairs) => pairs.Chunk(2).ToDictionary(p => p[0], p => p[1]);
}
