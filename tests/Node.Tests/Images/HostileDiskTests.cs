using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Images;

/// <summary>Disks that a stranger wrote to make a tool read another file, or to take memory, time or space; each by its bytes.</summary>
public sealed class HostileDiskTests
{
    private const string Secret = "/etc/passwd";

    public static TheoryData<string, string, string, Action<string>> Patches() => new()
    {
        { "a data file", "qcow2", "image.data_file", d => MadeDisks.PatchBig(d, 72, 4UL) },
        { "the name of a data file alone", "qcow2", "image.data_file", d => MadeDisks.PatchBig(d, 112, 0x44415441u) },
        { "a backing file", "qcow2", "image.backing_file", d => { MadeDisks.PatchBig(d, 8, 512UL); MadeDisks.PatchBig(d, 16, (uint)Secret.Length); } },
        { "encryption", "qcow2", "image.encrypted", d => MadeDisks.PatchBig(d, 32, 1u) },
        { "a feature nobody knows", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 72, 1UL << 40) },
        { "the mark of corruption", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 72, 2UL) },
        { "clusters too large", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 20, 31u) },
        { "clusters too small", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 20, 0u) },
        { "exabytes", "qcow2", "image.too_large", d => MadeDisks.PatchBig(d, 24, 1UL << 60) },
        { "more than a number", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 24, ulong.MaxValue) },
        { "nothing", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 24, 0UL) },
        { "a first table of gigabytes", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 36, uint.MaxValue) },
        { "reference counts of gigabytes", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 56, uint.MaxValue) },
        { "snapshots without end", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 60, uint.MaxValue) },
        { "a header of gigabytes", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 100, uint.MaxValue) },
        { "version 9", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 4, 9u) },
        { "tables behind the end", "qcow2", "image.header_refused", d => MadeDisks.PatchBig(d, 40, 1UL << 50) },
        { "tables that overlap", "qcow2", "image.damaged", d => MadeDisks.PatchBig(d, 40, 65536UL) },
        { "only its first bytes", "qcow2", "image.header_refused", d => Cut(d, 40) },
        { "a cut end", "qcow2", "image.damaged", d => Cut(d, 200_000) },
        { "a capacity of zero, so that the descriptor counts", "vmdk", "image.header_refused", d => MadeDisks.PatchLittle(d, 12, 0UL) },
        { "a descriptor elsewhere", "vmdk", "image.header_refused", d => MadeDisks.PatchLittle(d, 28, 3UL) },
        { "grains of gigabytes", "vmdk", "image.header_refused", d => MadeDisks.PatchLittle(d, 20, 1UL << 30) },
        { "an extent in another file", "vmdk", "image.several_files", d => MadeDisks.PatchText(d, "SPARSE \"disk.vmdk\"", "FLAT \"/etc/passwd\"") },
        { "a disk of several files", "vmdk", "image.several_files", d => MadeDisks.PatchText(d, "monolithicSparse", "monolithicFlat\"") },
        { "a parent", "vmdk", "image.backing_file", d => MadeDisks.PatchText(d, "parentCID=ffffffff", "parentCID=12345678") },
        { "a parent's name", "vmdk", "image.backing_file", d => MadeDisks.PatchText(d, "ddb.virtualHWVersion", "parentFileNameHint=x") },
        { "a VDI with a parent", "vdi", "image.backing_file", d => MadeDisks.PatchLittle(d, 0x1b8, 1u) },
        { "a VDI that is a difference", "vdi", "image.header_refused", d => MadeDisks.PatchLittle(d, 0x4c, 4u) },
        { "a VDI of more blocks than bytes", "vdi", "image.header_refused", d => MadeDisks.PatchLittle(d, 0x180, uint.MaxValue) },
        { "a VDI of exabytes", "vdi", "image.header_refused", d => MadeDisks.PatchLittle(d, 0x170, 1UL << 60) },
    };

    [Theory]
    [MemberData(nameof(Patches))]
    public async Task A_disk_that_claims_what_it_must_not_is_refused(string claim, string format, string code, Action<string> patch)
    {
        await using var rig = new ImportRig();
        var disk = await MadeDisks.MakeAsync(rig.Folder, format);
        patch(disk);

        var refusal = await rig.RefusedAsync(ImportRig.Plan(disk));

        refusal.Code.ShouldBe(code, $"{claim}: {refusal.Message}");
        refusal.Hint.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task A_real_overlay_and_a_real_data_file_are_refused()
    {
        await using var rig = new ImportRig();
        var below = await MadeDisks.MakeAsync(rig.Folder, "qcow2");
        await MadeDisks.RunAsync(["create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", $"{rig.Folder}/over"]);
        await MadeDisks.RunAsync(["create", "-q", "-f", "qcow2", "-o", $"data_file={rig.Folder}/data,data_file_raw=on", $"{rig.Folder}/split", "1M"]);

        (await rig.RefusedAsync(ImportRig.Plan($"{rig.Folder}/over"))).Code.ShouldBe("image.backing_file");
        (await rig.RefusedAsync(ImportRig.Plan($"{rig.Folder}/split"))).Code.ShouldBe("image.data_file");
    }

    [Theory]
    [InlineData("# Disk DescriptorFile\nversion=1\nRW 2048 FLAT \"/etc/passwd\" 0\n")]
    [InlineData("COWD")]
    [InlineData("QED\0")]
    [InlineData("\x1f\x8b\x08")]
    public async Task What_a_tool_might_take_for_a_disk_of_its_own_is_not_taken_for_raw(string start)
    {
        await using var rig = new ImportRig();
        await File.WriteAllTextAsync($"{rig.Folder}/odd", start.PadRight(4096, ' '), System.Text.Encoding.Latin1);

        (await rig.RefusedAsync(ImportRig.Plan($"{rig.Folder}/odd"))).Code.ShouldBe("image.disguised");
    }

    [Fact]
    public async Task An_empty_file_is_no_disk()
    {
        await using var rig = new ImportRig();
        await File.WriteAllBytesAsync($"{rig.Folder}/empty", []);

        (await rig.RefusedAsync(ImportRig.Plan($"{rig.Folder}/empty"))).Code.ShouldBe("image.header_refused");
    }

    [Fact]
    public async Task Qemu_img_runs_as_a_user_of_its_own_with_nothing_else()
    {
        await using var root = new TestRoot();
        using var loan = root.Context.ToolUids.Borrow();
        var shell = new Shell(TimeProvider.System);
        var confined = new Confinement(loan.Uid, 1L << 30, 1 << 20, TimeSpan.FromSeconds(30));

        var status = (await shell.RunAsync(new("cat", ["/proc/self/status"], TimeSpan.FromSeconds(30)) { Confinement = confined, EndsWithDaemon = true }, default)).Output;
        var links = (await shell.RunAsync(new("cat", ["/proc/net/dev"], TimeSpan.FromSeconds(30)) { Confinement = confined }, default)).Output;

        loan.Uid.ShouldBeInRange(root.Context.Uids.FirstTool, root.Context.Uids.FirstTool + root.Context.Uids.Tools - 1);
        status.ShouldContain($"Uid:\t{loan.Uid}\t{loan.Uid}\t{loan.Uid}\t{loan.Uid}");
        status.ShouldContain($"Gid:\t{loan.Uid}\t");
        status.ShouldContain("CapEff:\t0000000000000000");
        status.ShouldContain("CapBnd:\t0000000000000000");
        status.ShouldContain("NoNewPrivs:\t1");
        links.Split('\n').Count(l => l.Contains(':', StringComparison.Ordinal)).ShouldBe(1, "only a loopback of its own");
        using var other = root.Context.ToolUids.Borrow();
        other.Uid.ShouldNotBe(loan.Uid);
    }

    [Fact]
    public async Task A_tool_that_eats_memory_time_or_space_ends()
    {
        await using var root = new TestRoot();
        using var loan = root.Context.ToolUids.Borrow();
        var shell = new Shell(TimeProvider.System);
        var confined = new Confinement(loan.Uid, 256 << 20, 1 << 20, TimeSpan.FromSeconds(1));
        await File.WriteAllBytesAsync($"{root.Path}/out", []);
        Posix.Chown($"{root.Path}/out", loan.Uid, loan.Uid);

        Task<CommandResult> RunAsync(string program, params string[] arguments) => shell.RunAsync(new(program, arguments, TimeSpan.FromMinutes(2)) { Confinement = confined }, default);

        (await Should.ThrowAsync<CommandFailed>(() => RunAsync("dd", "if=/dev/zero", "of=/dev/null", "bs=1G", "count=1"))).Errors.ShouldContain("memory");
        (await Should.ThrowAsync<CommandFailed>(() => RunAsync("sha256sum", "/dev/zero"))).ExitCode.ShouldBe(128 + 9);
        await Should.ThrowAsync<CommandFailed>(() => RunAsync("dd", "if=/dev/zero", $"of={root.Path}/out", "bs=64k"));
        new FileInfo($"{root.Path}/out").Length.ShouldBe(1 << 20);
        await Should.ThrowAsync<CommandFailed>(() => RunAsync("cat", "/etc/shadow"));
    }

    [Fact]
    public async Task A_disk_that_unpacks_to_more_than_it_may_leaves_nothing()
    {
        await using var rig = new ImportRig();
        var disk = await MadeDisks.MakeAsync(rig.Folder, "raw");
        var output = $"{rig.Folder}/out";
        File.SetUnixFileMode(rig.Folder, (UnixFileMode)0b111_001_001);
        await using (var more = File.OpenWrite(disk))
        {
            more.Position = 300 << 20;
            var noise = new byte[40 << 20];
            new Random(3).NextBytes(noise);
            await more.WriteAsync(noise);
        }

        // Told that the disk is small, it may write little.
        var qemu = new QemuImg(rig.Root.Context.Shell, rig.Root.Context.ToolUids);
        (await Should.ThrowAsync<Refusal>(() => qemu.ConvertAsync(disk, "raw", output, 1 << 20, _ => { }, default))).Code.ShouldBe("image.too_large");

        File.Exists(output).ShouldBeFalse();
    }

    private static void Cut(string path, long length)
    {
        using var file = File.OpenWrite(path);
        file.SetLength(length);
    }
}
