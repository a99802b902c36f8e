using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Images;

public sealed class ImageCaptureTests
{
    [Fact]
    public async Task An_overlay_and_its_base_become_one_disk_and_the_kernel_is_carried_over()
    {
        await using var rig = new ImportRig();
        var from = await GivenBaseAsync(rig);
        var volume = await GivenVolumeAsync(rig, ImageFolders.Disk(rig.Root.Context.Root, from));

        var files = await rig.Node.CaptureImageAsync(rig.Id, Plan(rig, volume, from), rig.Reported.Add, default);

        var wanted = MadeDisks.Content();
        "written by the guest"u8.CopyTo(wanted.AsSpan(1 << 20));
        (await MadeDisks.ReadAsync(rig.Disk, rig.Folder)).ShouldBe(wanted);
        files.Sha256.Keys.ShouldBe(["disk", "kernel"]);
        (files.DiskBytes, files.Source).ShouldBe((MadeDisks.Bytes, "instance web1"));
        (await MadeDisks.RunAsync(["info", "-f", "qcow2", rig.Disk])).Output.ShouldNotContain("backing");
        (File.GetUnixFileMode(volume), Posix.TryOwnerOf(volume)).ShouldBe(((UnixFileMode)0b110_000_000, 1234));
        (await rig.Node.CaptureImageAsync(rig.Id, Plan(rig, volume, from), _ => { }, default)).Sha256.ShouldBe(files.Sha256);
        rig.Node.ImageWorkshops().ShouldBeEmpty();
    }

    [Fact]
    public async Task What_the_disk_says_of_its_base_is_not_believed()
    {
        await using var rig = new ImportRig();
        var from = await GivenBaseAsync(rig);
        var volume = await GivenVolumeAsync(rig, ImageFolders.Disk(rig.Root.Context.Root, from));
        await File.WriteAllTextAsync($"{rig.Folder}/secret", new string('s', 4096));
        await MadeDisks.RunAsync(["rebase", "-u", "-f", "qcow2", "-b", $"{rig.Folder}/secret", "-F", "raw", volume]);

        await rig.Node.CaptureImageAsync(rig.Id, Plan(rig, volume, from), _ => { }, default);

        (await MadeDisks.ReadAsync(rig.Disk, rig.Folder)).AsSpan(0, 70_000).SequenceEqual(MadeDisks.Content().AsSpan(0, 70_000)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_disk_that_stands_alone_is_not_laid_over_the_image_of_the_instance()
    {
        await using var rig = new ImportRig();
        var from = await GivenBaseAsync(rig);
        var volume = await GivenVolumeAsync(rig, null);

        var files = await rig.Node.CaptureImageAsync(rig.Id, Plan(rig, volume, null) with { From = from }, _ => { }, default);

        var wanted = new byte[MadeDisks.Bytes];
        "written by the guest"u8.CopyTo(wanted.AsSpan(1 << 20));
        (await MadeDisks.ReadAsync(rig.Disk, rig.Folder)).ShouldBe(wanted);
        files.Sha256.Keys.ShouldBe(["disk", "kernel"]);
    }

    [Fact]
    public async Task A_disk_that_was_given_a_data_file_is_refused()
    {
        await using var rig = new ImportRig();
        var volume = await GivenVolumeAsync(rig, ImageFolders.Disk(rig.Root.Context.Root, await GivenBaseAsync(rig)));
        MadeDisks.PatchBig(volume, 72, 4UL);

        (await Should.ThrowAsync<Refusal>(() => rig.Node.CaptureImageAsync(rig.Id, Plan(rig, volume, null), _ => { }, default))).Code.ShouldBe("image.data_file");
        Directory.Exists(ImageFolders.Path(rig.Root.Context.Root, rig.Id)).ShouldBeFalse();
    }

    private static CapturePlan Plan(ImportRig rig, string volume, Id<Image>? below) => new(
        [new(volume), .. below is { } image ? (DiskFile[])[new(ImageFolders.Disk(rig.Root.Context.Root, image))] : []], below, "instance web1", Firmware.Bios, InstanceKind.Vm, Architecture.X86_64, null, "For tests");

    private static async Task<Id<Image>> GivenBaseAsync(ImportRig rig)
    {
        var id = Id<Image>.New();
        await File.WriteAllTextAsync($"{rig.Folder}/vmlinuz", "kernel");
        var plan = ImportRig.Plan(await MadeDisks.MakeAsync(rig.Folder, "qcow2")) with { Kernel = $"{rig.Folder}/vmlinuz" };
        await rig.Node.FetchImageAsync(id, plan, _ => { }, default);
        await rig.Node.ConvertImageAsync(id, plan, _ => { }, default);
        return id;
    }

    /// <summary>A disk, alone or over another, that a guest wrote to, owned by the guest's user as the node keeps it.</summary>
    private static async Task<string> GivenVolumeAsync(ImportRig rig, string? below)
    {
        var volume = $"{rig.Folder}/root.qcow2";
        File.SetUnixFileMode(rig.Folder, (UnixFileMode)0b111_001_001);
        await new QemuImg(rig.Root.Context.Shell, rig.Root.Context.ToolUids).CreateAsync(volume, MadeDisks.Bytes, below, default);
        await File.WriteAllBytesAsync($"{rig.Folder}/words", "written by the guest"u8.ToArray());
        await new Shell(TimeProvider.System).RunAsync(new("qemu-io", ["-f", "qcow2", "-c", $"write -s {rig.Folder}/words 1M 20", volume], TimeSpan.FromSeconds(30)), default);
        Posix.Chown(volume, 1234, 1234);
        File.SetUnixFileMode(volume, (UnixFileMode)0b110_000_000);
        return volume;
    }
}
