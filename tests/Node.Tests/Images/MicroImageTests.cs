using System.IO.Compression;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Images;

public sealed class MicroImageTests(TestImages images)
{
    [Fact]
    public async Task Building_it_twice_is_the_same_as_once()
    {
        var again = await images.BuildAgainAsync(_ => { });

        again.Sha256.ShouldBe(images.Files.Sha256);
        again.Sha256.Keys.ShouldBe(["initrd", "kernel"]);
        again.SizeBytes.ShouldBe(new FileInfo(images.Kernel).Length + new FileInfo(images.Initrd).Length);
        again.DefaultKind.ShouldBe(InstanceKind.Microvm);
        images.Reported.Select(p => p.Percent ?? 0).ShouldBeInOrder();
        Directory.GetDirectories(images.Root.Context.Root.Images).Length.ShouldBe(1, "no workshop is left");
    }

    [Fact]
    public async Task A_recipe_nobody_knows_is_refused()
    {
        await using var root = new TestRoot();
        await using var node = new LocalNode(root.Context);

        (await Should.ThrowAsync<Refusal>(() => node.BuildImageAsync(Id<Image>.New(), "windows", _ => { }, default))).Code.ShouldBe("image.recipe_unknown");
        await node.RemoveImageAsync(Id<Image>.New(), default);
    }

    [Fact]
    public async Task A_cancelled_build_leaves_nothing()
    {
        await using var root = new TestRoot();
        await using var node = new LocalNode(root.Context);
        using var cancel = new CancellationTokenSource();

        await Should.ThrowAsync<OperationCanceledException>(() => node.BuildImageAsync(Id<Image>.New(), "micro", p => { if (p.Percent >= 60) { cancel.Cancel(); } }, cancel.Token));

        Directory.GetFileSystemEntries(root.Context.Root.Images).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_unreachable_mirror_is_a_refusal_with_apts_words()
    {
        var packages = new DebianPackages(new Shell(TimeProvider.System));

        var refusal = await Should.ThrowAsync<Refusal>(() => packages.ResolveAsync("gantry-no-such-package", "linux-", default));

        refusal.Code.ShouldBe("image.packages_unavailable");
        refusal.Hint.ShouldContain("apt-get update");
    }

    [Fact]
    public async Task Modules_stand_behind_what_they_need()
    {
        await using var root = new TestRoot();
        foreach (var (name, needs) in new[] { ("virtio", ""), ("virtio_ring", "virtio"), ("virtio-rng", "virtio_ring,virtio") })
        {
            await File.WriteAllBytesAsync($"{root.Path}/{name}.ko", Encoding.ASCII.GetBytes($"\x7f" + $"ELF\0license=GPL\0depends={needs}\0retpoline=Y\0"));
        }

        new KernelModules(root.Path).InOrder(["virtio_rng", "built_in"]).Select(Path.GetFileName).ShouldBe(["virtio.ko", "virtio_ring.ko", "virtio-rng.ko"]);
    }

    [Fact]
    public async Task Cpio_reads_the_archive()
    {
        await using var root = new TestRoot();
        using (var file = File.Create($"{root.Path}/a.cpio"))
        using (var archive = new CpioArchive(file))
        {
            archive.AddFolder("bin");
            archive.AddFile("bin/sh", "#!"u8, executable: true);
            archive.AddFile("bin/odd", "12345"u8);
            archive.AddLink("init", "bin/sh");
        }

        var shell = new Shell(TimeProvider.System);
        var list = await shell.RunAsync(new("cpio", ["-tvn", "--quiet", "-F", $"{root.Path}/a.cpio"], TimeSpan.FromSeconds(30)), default);
        list.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => (l[..10], l[(l.LastIndexOf(' ') + 1)..])).ShouldBe(
            [("drwxr-xr-x", "bin"), ("-rwxr-xr-x", "bin/sh"), ("-rw-r--r--", "bin/odd"), ("lrwxrwxrwx", "bin/sh")]);
        list.Output.ShouldContain("init -> bin/sh");
    }
}
