using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Images;

/// <summary>The image debian, built once (or taken from the machine's cache) for the tests that boot it.</summary>
public sealed class DebianTestImage : IAsyncLifetime
{
    private readonly TestRoot _root = new();
    private readonly Id<Image> _id = Id<Image>.New();

    internal TestRoot Root => _root;

    public ImageFiles Files { get; private set; } = null!;

    public string Disk => ImageFolders.Disk(_root.Context.Root, _id);

    public List<Progress> Reported { get; } = [];

    public async ValueTask InitializeAsync()
    {
        await using var node = new LocalNode(_root.Context);
        Files = await node.BuildImageAsync(_id, "debian", Reported.Add, CancellationToken.None);
    }

    public ValueTask DisposeAsync() => _root.DisposeAsync();
}

public sealed class DebianImageTests(DebianTestImage image) : IClassFixture<DebianTestImage>
{
    private static readonly string[] Bios = [];

    private static readonly string[] Uefi = ["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive", "if=pflash,format=raw,file={vars}"];

    private static readonly string[] SecureBoot =
        ["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "-drive", "if=pflash,format=raw,file={vars}", "-global", "driver=cfi.pflash01,property=secure,value=on"];

    [Fact]
    public void It_is_a_disk_that_boots_by_UEFI_unless_told_otherwise()
    {
        image.Files.Sha256.Keys.ShouldBe(["disk"]);
        image.Files.DiskBytes.ShouldBe(2048 * Limits.MiB);
        (image.Files.DefaultKind, image.Files.Firmware, image.Files.Architecture, image.Files.Source).ShouldBe((InstanceKind.Vm, Firmware.Uefi, Architecture.X86_64, "recipe debian"));
        image.Reported.Select(p => p.Percent ?? 0).Last().ShouldBe(95);
    }

    [Theory]
    [InlineData("bios")]
    [InlineData("uefi")]
    [InlineData("secure boot")]
    public async Task It_boots_to_a_login_on_the_serial_line(string firmware)
    {
        var (machine, vars) = firmware switch
        {
            "bios" => (Bios, null),
            "uefi" => (Uefi, "/usr/share/OVMF/OVMF_VARS_4M.fd"),
            _ => (SecureBoot, "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
        };
        await using var root = new TestRoot();
        if (vars is not null)
        {
            File.Copy(vars, $"{root.Path}/vars");
        }

        var serial = await BootedGuest.BootAsync(root, image.Disk,
            ["-machine", firmware == "secure boot" ? "q35,smm=on" : "q35", .. machine.Select(a => a.Replace("{vars}", $"{root.Path}/vars", StringComparison.Ordinal))], "debian login:");

        serial.ShouldContain("Debian GNU/Linux");
        serial.ShouldContain(firmware == "secure boot" ? "Secure boot enabled" : "Linux version");
    }
}
