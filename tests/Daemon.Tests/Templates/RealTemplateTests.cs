using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Templates;

/// <summary>With a real daemon and real QEMU.</summary>
public sealed class RealTemplateTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Fact]
    public async Task Windows_without_a_medium_starts_its_firmware_with_Secure_Boot_and_finds_nothing_to_boot()
    {
        await using var machines = await RealMachines.StartAsync(Database);
        await RunningDaemon.DoneAsync(machines.Api.CreateInstanceAsync(new() { Name = "win1", Template = "windows", StartNow = true }, 120));

        var text = await machines.SaysAsync("win1", "BdsDxe: No bootable option or device was found.");

        // The firmware's own shell is not signed: that it is refused shows that Secure Boot is on.
        text.ShouldContain("\"EFI Internal Shell\"");
        text.ShouldContain("Security Violation");
        await machines.DeleteAsync("win1");
    }

    [Fact]
    public async Task A_microVM_of_a_template_saved_of_another_one_runs()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        await RunningDaemon.DoneAsync(machines.Api.CreateInstanceAsync(new() { Name = "first", Template = "linux-microvm", Image = "micro", Labels = new Dictionary<string, string> { ["tier"] = "front" } }, 120));
        await machines.Api.CreateTemplateAsync(new() { Name = "front", From = new(Instance: "first") });

        await RunningDaemon.DoneAsync(machines.Api.CreateInstanceAsync(new() { Name = "second", Template = "front", StartNow = true }, 120));

        await machines.SaysAsync("second", "micro is up: second");
        var second = await machines.Api.GetInstanceAsync("second");
        (second.Kind, second.MemoryBytes, second.Image, second.Labels["tier"]).ShouldBe((InstanceKind.Microvm, 128L << 20, "micro", "front"));
        await machines.DeleteAsync("second", "first");
    }
}
