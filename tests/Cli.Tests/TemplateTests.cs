using Gantry.Contracts;

namespace Gantry.Cli.Tests;

/// <summary>Templates on the command line, and settings that have no option of their own.</summary>
public sealed class TemplateTests
{
    [Theory]
    [InlineData("template list")]
    [InlineData("template list -q")]
    [InlineData("template info web")]
    [InlineData("template save web1 web")]
    [InlineData("template copy linux web -q")]
    [InlineData("template delete web")]
    [InlineData("launch --template web web9 --dry-run")]
    public async Task What_is_shown_is_what_the_golden_file_says(string commandLine)
    {
        var template = Samples.Template();
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /templates", new Page<Template>([template with { Name = "linux", BuiltIn = true, Base = null, CreatedAt = null, Description = null }, template], null), WireJson.Default.PageTemplate)
            .On("GET /templates/web", template, WireJson.Default.Template)
            .On("POST /templates", template, WireJson.Default.Template, 201)
            .On("DELETE /templates/web", "", 204)
            .On("POST /instances", new InstancePreview("web9", template.Settings, template.Origins, "web"), WireJson.Default.InstancePreview);
        var result = await CliRig.RunAsync(daemon, commandLine.Split(' '));

        Golden.Matches("show-" + commandLine.Replace(" ", "-").Replace("--", "-"), result.Transcript("gantry " + commandLine));
    }

    [Fact]
    public async Task Any_setting_can_be_set_and_the_later_word_wins()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).On("POST /instances", Samples.Operation(), WireJson.Default.Operation, 202);
        var rig = new CliRig { Socket = daemon.Socket, Input = """{"cpus":8,"labels":{"a":"file","b":"file"},"volumes":[{"name":"root","cache":"none","sizeBytes":1},{"name":"data"}],"memoryBytes":1}""" };

        var result = await rig.RunAsync("create", "web9", "--no-wait", "--template", "web", "--settings", "-", "--cpus", "4", "--disk", "2GiB", "--label", "a=option", "--cdrom", "install=/i.iso", "--cdrom", "/d.iso",
            "--set", "memoryBytes=512MiB", "--set", "labels.tier.of/it=x=y", "--set", "cpu.model=max,-avx512f", "--set", "boot.order=root, eth0", "--set", "boot.firmware=UEFI", "--set", "nics[eth0].model=e1000e",
            "--set", "volumes[root].limits.readBytesPerSecond=1MiB", "--set", "security={\"tpm\":true}", "--set", "autoStart=true", "--set", "cpu.pinning=[\"0,2\"]", "--set", "cpu.weight=50");

        result.Error.ShouldBe("");
        daemon.Requests.Single().Body.ShouldBe(
            """{"cpus":4,"labels":{"a":"option","b":"file","tier.of/it":"x=y"},"volumes":[{"name":"root","cache":"none","sizeBytes":2147483648,"limits":{"readBytesPerSecond":1048576}},{"name":"data"},"""
            + """{"name":"install","device":"cdrom","path":"/i.iso"},{"name":"cdrom","device":"cdrom","path":"/d.iso"}],"memoryBytes":536870912,"name":"web9","template":"web","startNow":false"""
            + ""","cpu":{"model":"max,-avx512f","pinning":["0,2"],"weight":50},"boot":{"order":["root","eth0"],"firmware":"uefi"},"nics":[{"name":"eth0","model":"e1000e"}],"security":{"tpm":true},"autoStart":true}""");
    }

    [Fact]
    public async Task An_edit_sends_what_changes_with_lists_whole_and_only_onto_what_was_read()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /templates/web", Samples.Template(), WireJson.Default.Template)
            .On("PATCH /templates/web", Samples.Template("front"), WireJson.Default.Template);

        var result = await CliRig.RunAsync(daemon, "template", "edit", "web", "--set", "cpus=4", "--unset", "labels.tier", "--unset", "memory.numa", "--set", "volumes[root].cache=none", "--unset", "volumes[spare]",
            "--unset", "volumes[root].limits", "--description", "", "--rename", "front");

        result.ShouldBe(new CliResult(0, "front changed\n", ""));
        var patch = daemon.Requests.Last();
        (patch.Method, patch.IfMatch).ShouldBe(("PATCH", "\"7\""));
        patch.Body.ShouldBe("""{"settings":{"cpus":4,"volumes":[{"name":"root","sizeBytes":21474836480,"cache":"none"}],"labels":{"tier":null},"memory":{"numa":null}},"description":null,"name":"front"}""");
    }

    [Theory]
    [InlineData("cpus", "Error: 'cpus' does not do for --set.")]
    [InlineData("=1", "Error: '=1' does not do for --set.")]
    [InlineData("colour=red", "Error: There is no setting 'colour'.\nThere are kind, driver, image,")]
    [InlineData("name=web2", "Error: There is no setting 'name'.")]
    [InlineData("cpu.modle=max", "Error: There is no setting 'cpu.modle'.\n'cpu' has model, sockets,")]
    [InlineData("cpus.model=1", "Error: 'cpus.model' leads to no setting.\n'cpus' takes a value itself.")]
    [InlineData("volumes.root.cache=none", "Error: 'volumes.root.cache' leads to no setting.\nSay of which of the volumes, and what: volumes[NAME].device.")]
    [InlineData("volumes[root]=x", "Error: 'volumes[root]' leads to no setting.")]
    [InlineData("volumes[root].colour=x", "Error: There is no setting 'volumes[root].colour'.")]
    [InlineData("cpus=two", "Error: 'two' does not do for cpus.\nAccepted is a whole number.")]
    [InlineData("memoryBytes=much", "Error: 'much' does not do for memoryBytes.\nAccepted is a number of bytes,")]
    [InlineData("autoStart=maybe", "Error: 'maybe' does not do for autoStart.\nAccepted is true, false.")]
    [InlineData("volumes[root].bus=floppy", "Error: 'floppy' does not do for volumes[root].bus.\nAccepted is virtio, scsi, sata, nvme.")]
    [InlineData("cpu=max", "Error: 'max' does not do for cpu.\nAccepted is a setting of it, such as --set cpu.model=VALUE, or JSON.")]
    [InlineData("cpu={", "Error: '{' does not do for cpu.")]
    public async Task What_cannot_be_set_is_told_before_anything_is_sent(string assignment, string words)
    {
        await using var daemon = await FakeDaemon.StartAsync();

        var result = await CliRig.RunAsync(daemon, "launch", "micro", "web", "--set", assignment);

        result.Code.ShouldBe(2);
        result.Error.ShouldStartWith(words);
        result.Error.Count(c => c == '\n').ShouldBe(2);
        daemon.Requests.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{")]
    public async Task A_file_that_holds_no_settings_is_refused(string text)
    {
        await using var daemon = await FakeDaemon.StartAsync();
        var result = await new CliRig { Socket = daemon.Socket, Input = text }.RunAsync("template", "create", "web", "--settings", "-");

        result.Code.ShouldBe(2);
        result.Error.ShouldStartWith("Error: What was read is not JSON: ");
        daemon.Requests.ShouldBeEmpty();
    }
}
