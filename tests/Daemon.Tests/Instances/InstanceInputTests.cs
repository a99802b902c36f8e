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
    [InlineData("""{"cpu":{"model":"-cpu max"}}""", "$.cpu.model")]
    [InlineData("""{"cpu":{"sockets":2,"cores":2}}""", "$.cpu")]
    [InlineData("""{"cpu":{"threads":0}}""", "$.cpu.threads", "$.cpu")]
    [InlineData("""{"cpu":{"pinning":["0","0"]}}""", "$.cpu.pinning")]
    [InlineData("""{"cpu":{"pinning":["3-1"]}}""", "$.cpu.pinning[0]")]
    [InlineData("""{"cpu":{"pinning":["4000"]}}""", "$.cpu.pinning[0]")]
    [InlineData("""{"cpu":{"limitPercent":0,"weight":10001}}""", "$.cpu.limitPercent", "$.cpu.weight")]
    [InlineData("""{"memory":{"hugePageBytes":4096}}""", "$.memory.hugePageBytes")]
    [InlineData("""{"memory":{"numa":{"mode":"bind","nodes":"all"}}}""", "$.memory.numa.nodes")]
    [InlineData("""{"memory":{"numa":{"mode":"bind","nodes":"63"}}}""", "$.memory.numa.nodes")]
    [InlineData("""{"volumes":[{"name":"a,b"}]}""", "$.volumes[0].name")]
    [InlineData("""{"volumes":[{"name":"a"},{"name":"a"}]}""", "$.volumes[1].name")]
    [InlineData("""{"volumes":[{"name":"a","sizeBytes":1}]}""", "$.volumes[0].sizeBytes")]
    [InlineData("""{"volumes":[{"name":"a","sizeBytes":1048577}]}""", "$.volumes[0].sizeBytes")]
    [InlineData("""{"volumes":[{"name":"a","path":"/x.iso"}]}""", "$.volumes[0].path")]
    [InlineData("""{"volumes":[{"name":"a","device":"cdrom","path":"x/../y.iso","bus":"virtio"}]}""", "$.volumes[0].path", "$.volumes[0].bus")]
    [InlineData("""{"volumes":[{"name":"a","device":"cdrom","path":"/x","image":"y"}]}""", "$.volumes[0]")]
    [InlineData("""{"volumes":[{"name":"a","device":"cdrom","sizeBytes":1048576}]}""", "$.volumes[0]")]
    [InlineData("""{"volumes":[{"name":"a","limits":{"readBytesPerSecond":0}}]}""", "$.volumes[0].limits.readBytesPerSecond")]
    [InlineData("""{"volumes":[{"name":"a","bus":"floppy"}]}""", "$.volumes[0].bus")]
    [InlineData("""{"nics":[{"name":"eth0","mac":"01:00:00:00:00:01"}]}""", "$.nics[0].mac")]
    [InlineData("""{"nics":[{"name":"eth0","mac":"52:54:00:00:00:0A"},{"name":"eth1","mac":"52:54:00:00:00:0a"}]}""", "$.nics[1].mac")]
    [InlineData("""{"nics":[{"name":"a-name-too-long-for-linux"}]}""", "$.nics[0].name")]
    [InlineData("""{"boot":{"order":["root","a","root"]}}""", "$.boot.order[1]", "$.boot.order[2]")]
    public async Task A_machine_that_cannot_be_built_is_refused_by_path(string machine, params string[] paths)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances", machine[..^1] + ""","name":"x"}""");

        (status, problem!.Code).ShouldBe((422, "request.invalid"));
        problem.Errors!.Select(e => e.Path).ShouldBe(paths);
    }

    [Fact]
    public async Task A_machine_is_shown_with_all_that_was_left_out()
    {
        var made = await daemon.MakeAsync("""{"name":"shown","boot":{"firmware":"bios","order":["data","eth0"]},"volumes":[{"name":"data","sizeBytes":1073741824},{"name":"disc","device":"cdrom"}],"nics":[{"name":"eth0"}],"cpu":{"model":"max","weight":50}}""");

        made.Architecture.ShouldBe(Architecture.X86_64);
        made.Cpu.ShouldBe(new CpuOptions { Model = "max", Weight = 50 });
        made.Boot.Order.ShouldBe(["data", "eth0"]);
        made.Volumes.ShouldBe(
        [
            new() { Name = "data", Device = VolumeDevice.Disk, Pool = "local", SizeBytes = 1 << 30, Bus = VolumeBus.Virtio, Cache = VolumeCache.Writeback, ReadOnly = false },
            new() { Name = "disc", Device = VolumeDevice.Cdrom, Bus = VolumeBus.Sata, ReadOnly = true },
        ]);
        made.Nics!.Single().ShouldBe(new Nic { Name = "eth0", Model = NicModel.Virtio, Network = "none", Mac = Gantry.Daemon.Instances.MachinePlan.MacOf(made.Id, "eth0") });
        made.Nics![0].Mac!.ShouldMatch("^52:54:00(:[0-9a-f]{2}){3}$");
    }

    [Theory]
    [InlineData("""{"name":"x","driver":"nope","boot":{"kernel":"/k"}}""", 422, "driver.unknown")]
    [InlineData("""{"name":"x","image":"nope"}""", 404, "image.unknown")]
    [InlineData("""{"name":"x","image":"../nope"}""", 404, "image.unknown")]
    [InlineData("""{"name":"x"}""", 422, "instance.nothing_to_boot")]
    [InlineData("""{"name":"x","boot":{"firmware":"uefi"}}""", 422, "instance.nothing_to_boot")]
    [InlineData("""{"name":"x","volumes":[{"name":"a","image":"nope"}]}""", 404, "image.unknown")]
    [InlineData("""{"name":"x","driver":"qemu","kind":"microvm","boot":{"firmware":"uefi"},"volumes":[{"name":"a"}]}""", 422, "driver.cannot")]
    [InlineData("""{"name":"x","driver":"qemu","kind":"microvm","architecture":"aarch64","boot":{"firmware":"uefi"},"volumes":[{"name":"a"}]}""", 422, "driver.architecture")]
    [InlineData("""{"name":"x","driver":"qemu","security":{"secureBoot":true},"volumes":[{"name":"a"}]}""", 422, "driver.cannot")]
    [InlineData("""{"name":"x","driver":"qemu","volumes":[{"name":"a","device":"cdrom","path":"/nowhere.iso"}]}""", 422, "disc.missing")]
    [InlineData("""{"name":"x","driver":"qemu","volumes":[{"name":"a","device":"cdrom","path":"/etc/shadow"}]}""", 422, "disc.missing")]
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
