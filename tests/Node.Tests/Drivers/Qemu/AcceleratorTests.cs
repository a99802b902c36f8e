using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Drivers.Qemu;

public sealed class AcceleratorTests : IDisposable
{
    private static readonly HostFacts Able = new("n1", 2, 1 << 30, "6.1", "x86_64", 2_000_000, HasVirtualisation: true);

    private readonly string _device = Path.GetTempFileName();

    public void Dispose() => File.Delete(_device);

    [Fact]
    public void A_device_without_the_processors_flag_is_not_trusted()
    {
        var chosen = Accelerator.Choose(Able with { HasVirtualisation = false }, _device);

        chosen.Name.ShouldBe("tcg");
        chosen.Reason!.ShouldContain("vmx or svm");
    }

    [Fact]
    public void Without_the_device_it_is_TCG() => Accelerator.Choose(Able, "/nowhere/kvm").Reason!.ShouldContain("/nowhere/kvm");

    [Theory]
    [InlineData(0b110_000_000, "tcg", null)]
    [InlineData(0b110_110_000, "kvm", 104)]
    [InlineData(0b110_110_110, "kvm", null)]
    public void It_is_KVM_where_a_guests_user_can_open_the_device(int mode, string name, int? group)
    {
        Posix.Chown(_device, 0, 104);
        File.SetUnixFileMode(_device, (UnixFileMode)mode);

        var chosen = Accelerator.Choose(Able, _device);

        (chosen.Name, chosen.Group).ShouldBe((name, group));
    }
}
