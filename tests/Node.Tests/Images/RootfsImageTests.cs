using Gantry.Contracts;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Images;

public sealed class RootfsImageTests
{
    [Fact]
    public async Task It_boots_directly_to_a_root_shell_on_the_serial_line()
    {
        await using var root = new TestRoot();
        await using var node = new LocalNode(root.Context);
        var id = Id<Image>.New();
        var reported = new List<Progress>();

        var files = await node.BuildImageAsync(id, "rootfs", reported.Add, CancellationToken.None);

        files.Sha256.Keys.ShouldBe(["disk", "initrd", "kernel"]);
        (files.DiskBytes, files.DefaultKind, files.Firmware, files.CommandLine).ShouldBe((1024 * Limits.MiB, InstanceKind.Microvm, Firmware.Direct, "root=/dev/vda rw"));
        reported.Select(p => p.Percent ?? 0).Max().ShouldBe(95);
        var context = root.Context.Root;
        var serial = await BootedGuest.BootAsync(root, ImageFolders.Disk(context, id),
        [
            "-machine", "q35", "-kernel", ImageFolders.Kernel(context, id), "-initrd", ImageFolders.Initrd(context, id),
            "-append", $"console=ttyS0 {BootedGuest.Clock} {files.CommandLine}",
        ], "root@debian:~#");
        serial.ShouldContain("automatic login");
    }
}
