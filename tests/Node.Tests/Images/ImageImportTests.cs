using System.Buffers.Binary;
using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Images;

public sealed class ImageImportTests
{
    [Theory]
    [InlineData("raw", null)]
    [InlineData("qcow2", null)]
    [InlineData("qcow2", "compat=0.10")]
    [InlineData("qcow2", "cluster_size=2M")]
    [InlineData("vmdk", null)]
    [InlineData("vmdk", "subformat=streamOptimized")]
    [InlineData("vdi", null)]
    [InlineData("vhdx", null)]
    [InlineData("vpc", "force_size=on")]
    [InlineData("vpc", "force_size=on,subformat=fixed")]
    public async Task A_disk_of_any_format_becomes_a_qcow2_with_the_same_content(string format, string? options)
    {
        await using var rig = new ImportRig();
        var path = await MadeDisks.MakeAsync(rig.Folder, format, options);
        var sum = Convert.ToHexString(SHA256.HashData(await File.ReadAllBytesAsync(path)));

        var files = await rig.ImportAsync(ImportRig.Plan(path, sha256: sum));

        files.DiskBytes.ShouldBe(MadeDisks.Bytes);
        files.Sha256.Keys.ShouldBe(["disk"]);
        files.SizeBytes.ShouldBe(new FileInfo(rig.Disk).Length);
        (files.Firmware, files.Source, files.DefaultKind).ShouldBe((Firmware.Bios, "a test", InstanceKind.Vm));
        (await MadeDisks.ReadAsync(rig.Disk, rig.Folder)).ShouldBe(MadeDisks.Content());
        (await MadeDisks.RunAsync(["info", "-f", "qcow2", rig.Disk])).Output.ShouldNotContain("backing");
        File.GetUnixFileMode(rig.Disk).ShouldBe((UnixFileMode)0b110_100_100);
        Posix.TryOwnerOf(rig.Disk).ShouldBe(0);
        Directory.GetFileSystemEntries(rig.Root.Context.Root.Images).ShouldBe([ImageFolders.Path(rig.Root.Context.Root, rig.Id)]);
        rig.Reported.Select(p => p.Percent ?? 0).ShouldBeInOrder();
    }

    [Theory]
    [InlineData("raw", DiskFormat.Raw)]
    [InlineData("qcow2", DiskFormat.Qcow2)]
    [InlineData("vdi", DiskFormat.Vdi)]
    public async Task The_format_may_be_said(string format, DiskFormat said)
    {
        await using var rig = new ImportRig();

        (await rig.ImportAsync(ImportRig.Plan(await MadeDisks.MakeAsync(rig.Folder, format), said))).DiskBytes.ShouldBe(MadeDisks.Bytes);
    }

    [Theory]
    [InlineData("qcow2", DiskFormat.Raw, "image.disguised")]
    [InlineData("vmdk", DiskFormat.Raw, "image.disguised")]
    [InlineData("vdi", DiskFormat.Raw, "image.disguised")]
    [InlineData("vhdx", DiskFormat.Raw, "image.disguised")]
    [InlineData("vpc", DiskFormat.Raw, "image.disguised")]
    [InlineData("qcow2", DiskFormat.Vmdk, "image.format_mismatch")]
    [InlineData("raw", DiskFormat.Qcow2, "image.format_mismatch")]
    public async Task A_disk_that_is_not_what_it_is_said_to_be_is_refused(string format, DiskFormat said, string code)
    {
        await using var rig = new ImportRig();

        (await rig.RefusedAsync(ImportRig.Plan(await MadeDisks.MakeAsync(rig.Folder, format), said))).Code.ShouldBe(code);
    }

    [Fact]
    public async Task Space_that_was_lost_in_a_disk_is_no_damage()
    {
        await using var rig = new ImportRig();
        var path = await MadeDisks.MakeAsync(rig.Folder, "qcow2");
        var bytes = await File.ReadAllBytesAsync(path);
        var table = (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(48));
        var counts = (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(table));
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(counts + (2 * 200)), 1); // cluster 200 is used, and by nothing
        Array.Resize(ref bytes, 201 << 16);
        await File.WriteAllBytesAsync(path, bytes);
        (await Should.ThrowAsync<CommandFailed>(() => MadeDisks.RunAsync(["check", "-f", "qcow2", path]))).ExitCode.ShouldBe(3);

        (await rig.ImportAsync(ImportRig.Plan(path))).DiskBytes.ShouldBe(MadeDisks.Bytes);
    }

    [Fact]
    public async Task Both_halves_done_twice_are_as_done_once()
    {
        await using var rig = new ImportRig();
        var plan = ImportRig.Plan(await MadeDisks.MakeAsync(rig.Folder, "qcow2"));
        await rig.Node.FetchImageAsync(rig.Id, plan, _ => { }, default);
        File.Delete(plan.Path!); // the second time it is not needed

        var first = await rig.ImportAsync(plan);
        var again = await rig.ImportAsync(plan);

        again.ShouldBe(first with { Sha256 = again.Sha256 });
        again.Sha256.ShouldBe(first.Sha256);
        Directory.GetFileSystemEntries(rig.Root.Context.Root.Images).Length.ShouldBe(1, "no workshop is left");
    }

    [Fact]
    public async Task A_disk_with_another_sum_is_refused()
    {
        await using var rig = new ImportRig();

        var refusal = await rig.RefusedAsync(ImportRig.Plan(await MadeDisks.MakeAsync(rig.Folder, "raw"), sha256: new string('a', 64)));

        refusal.Code.ShouldBe("image.sha256_mismatch");
        refusal.Message.ShouldContain(Convert.ToHexStringLower(SHA256.HashData(MadeDisks.Content())));
    }

    [Fact]
    public async Task Links_pipes_devices_and_directories_are_no_disks()
    {
        await using var rig = new ImportRig();
        var disk = await MadeDisks.MakeAsync(rig.Folder, "raw");
        File.CreateSymbolicLink($"{rig.Folder}/link", disk);
        await new Shell(TimeProvider.System).RunAsync(new("mkfifo", [$"{rig.Folder}/pipe"], TimeSpan.FromSeconds(10)), default);

        foreach (var path in (string[])[$"{rig.Folder}/link", $"{rig.Folder}/pipe", "/dev/zero", rig.Folder, $"{rig.Folder}/missing"])
        {
            (await rig.RefusedAsync(ImportRig.Plan(path))).Code.ShouldBe("image.file_unreadable", path);
        }
    }

    [Theory]
    [InlineData("raw")]
    [InlineData("qcow2")]
    [InlineData("vmdk")]
    [InlineData("vdi")]
    [InlineData("vhdx")]
    public async Task A_disk_larger_than_allowed_is_refused_however_small_its_file(string format)
    {
        await using var rig = new ImportRig(ImageSettings.Default with { MaxBytes = 64 << 20 });
        var path = $"{rig.Folder}/large";
        await MadeDisks.RunAsync(["create", "-q", "-f", format, path, "65M"]);

        (await rig.RefusedAsync(ImportRig.Plan(path))).Code.ShouldBe("image.too_large");
    }

    [Fact]
    public async Task A_kernel_with_its_ram_disk_is_an_image_too()
    {
        await using var rig = new ImportRig();
        await File.WriteAllTextAsync($"{rig.Folder}/vmlinuz", "kernel");
        await File.WriteAllTextAsync($"{rig.Folder}/initrd.img", "ram disk");
        var plan = ImportRig.Plan(null) with { HasDisk = false, Kernel = $"{rig.Folder}/vmlinuz", Initrd = $"{rig.Folder}/initrd.img", CommandLine = "quiet", Firmware = Firmware.Direct };

        var files = await rig.ImportAsync(plan);

        files.Sha256.Keys.ShouldBe(["initrd", "kernel"]);
        (files.DiskBytes, files.CommandLine).ShouldBe((null, "quiet"));
        (await File.ReadAllTextAsync(ImageFolders.Kernel(rig.Root.Context.Root, rig.Id))).ShouldBe("kernel");
    }

    [Fact]
    public async Task What_is_sent_is_imported_and_a_hole_in_it_stays_a_hole()
    {
        await using var rig = new ImportRig();
        var content = new byte[32 << 20];
        content[^1] = 1;
        await rig.Node.KeepImageUploadAsync(rig.Id, new MemoryStream(content), default);
        rig.Node.ImageWorkshops().ShouldBe([rig.Id]);

        var files = await rig.ImportAsync(ImportRig.Plan(null));

        files.DiskBytes.ShouldBe(content.Length);
        files.SizeBytes.ShouldBeLessThan(1 << 20);
        rig.Node.ImageWorkshops().ShouldBeEmpty();
    }

    [Fact]
    public async Task An_import_without_its_upload_says_so()
    {
        await using var rig = new ImportRig();

        (await rig.RefusedAsync(ImportRig.Plan(null))).Code.ShouldBe("image.upload_gone");
    }

    [Fact]
    public async Task Image_json_of_an_older_Gantry_is_read()
    {
        await using var rig = new ImportRig();
        var folder = ImageFolders.Path(rig.Root.Context.Root, rig.Id);
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync($"{folder}/image.json", """{"sizeBytes":3,"sha256":{"kernel":"aa"},"defaultKind":"Microvm","commandLine":"quiet","description":"old"}""");

        var files = rig.Node.ImageFiles(rig.Id);

        (files.Architecture, files.Firmware, files.DiskBytes, files.Source, files.DefaultKind).ShouldBe((Architecture.X86_64, Firmware.Direct, null, null, InstanceKind.Microvm));
    }
}
