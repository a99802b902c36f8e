using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Sim;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Conformance;

public sealed class SimConformance : DriverConformance
{
    public override string Driver => "sim";

    public override InstanceKind Kind => InstanceKind.Microvm;

    protected override string UpText => "web-1 has started";

    protected override (string Typed, string Answered) Talk => ("ping\r", "ping\r\n");

    protected override void LetItEnd(IDriver driver, Id<Instance> id) => ((SimDriver)driver).PowerOff(id);
}

public abstract class QemuConformance(TestImages images) : DriverConformance
{
    public override string Driver => "qemu";

    protected override string UpText => "micro is up: web-1";

    protected override (string Typed, string Answered) Talk => ("echo $((6*7))\r", "\r\n42\r\n");

    protected override InstanceSpec Boot(InstanceSpec spec) => spec with { Kernel = images.Kernel, Initrd = images.Initrd, CommandLine = "quiet" };

    protected override InstanceSpec BootAndPowerOff(InstanceSpec spec) => Boot(spec) with { CommandLine = TestImages.PowerOff };
}

public sealed class QemuMicrovmConformance(TestImages images) : QemuConformance(images)
{
    public override InstanceKind Kind => InstanceKind.Microvm;
}

public sealed class QemuVmConformance(TestImages images) : QemuConformance(images)
{
    public override InstanceKind Kind => InstanceKind.Vm;
}
