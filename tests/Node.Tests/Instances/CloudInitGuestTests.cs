using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Instances;

/// <summary>What a real Debian makes of its seed. It boots by UEFI with Secure Boot, from a disk that keeps only what differs: one boot shows that too.</summary>
public sealed class CloudInitGuestTests(TestImages images) : IAsyncLifetime
{
    private const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJrXb9r1sXkzB1fUuXz0sV9m3QYV0rGm0oQ8m1a2b3c4 ann@home";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(20);

    private readonly TestRoot _root = new();
    private LocalNode _node = null!;

    public ValueTask InitializeAsync()
    {
        _node = new(_root.Context);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task A_guest_boots_securely_and_is_at_its_first_start_what_it_was_told_to_be()
    {
        var image = await images.LendAsync("debian", _root);
        var before = new FileInfo(ImageFolders.Disk(_root.Context.Root, image)).LastWriteTimeUtc;
        var hash = Crypt.Sha512("a word of ann's", Crypt.NewSalt());
        var spec = new InstanceSpec(Id<Instance>.New(), "told", InstanceKind.Vm, "qemu", 1, 512 * Limits.MiB, Firmware.Uefi, null, null, null, 0)
        {
            Volumes = [new("root", VolumeDevice.Disk, image, null, 4L << 30, VolumeBus.Virtio, VolumeCache.Writeback, ReadOnly: false)],
            Nics = [new("eth0", "52:54:00:00:00:01")],
            CloudInit = new(new()
            {
                Fqdn = "told.example.org",
                Users = [new() { Name = "ann", PasswordHash = hash, SshKeys = [Key], Sudo = true, Groups = ["adm"], Shell = "/bin/bash" }],
                Nics = [new() { Name = "eth0", Addresses = ["10.20.0.5/24"] }],
                WriteFiles = [new() { Path = "/etc/told", Content = "größer: # \"no\" comment\n", Permissions = "0640", Owner = "root:adm" }],
                Timezone = "Europe/Berlin",
                Runcmd =
                [
                    "exec >/dev/ttyS0 2>&1; echo; echo seen: host $(hostname) $(hostname --fqdn); echo seen: user $(id -Gn ann) $(getent passwd ann | cut -d: -f7)",
                    "exec >/dev/ttyS0 2>&1; echo seen: shadow $(getent shadow ann | cut -d: -f2); echo seen: key $(cat ~ann/.ssh/authorized_keys)",
                    "exec >/dev/ttyS0 2>&1; echo seen: root $(su ann -c 'sudo -n id -u'); echo seen: address $(ip -4 -o address show dev eth0 | awk '{print $4}')",
                    "exec >/dev/ttyS0 2>&1; echo seen: file $(stat -c %a:%U:%G /etc/told) $(cat /etc/told); echo seen: zone $(readlink /etc/localtime)",
                    "exec >/dev/ttyS0 2>&1; echo seen: id $(cloud-init query instance_id); echo seen: seed $(blockdev --getro $(blkid -L cidata)); echo seen: all",
                ],
            }, 3),
            SecureBoot = true,
            Tpm = true,
        };
        await _node.DefineAsync(spec, default);
        await _node.StartAsync(spec.Id, default);

        var told = await ToldAsync(spec.Id);

        told.ShouldBe(new Dictionary<string, string>
        {
            ["host"] = "told told.example.org",
            ["user"] = "ann adm /bin/bash",
            ["shadow"] = hash,
            ["key"] = Key,
            ["root"] = "0",
            ["address"] = "10.20.0.5/24",
            ["file"] = "640:root:adm größer: # \"no\" comment",
            ["zone"] = "/usr/share/zoneinfo/Europe/Berlin",
            ["id"] = $"{spec.Id}-3",
            ["seed"] = "1",
        }, ignoreOrder: true);
        (await LinesAsync(spec.Id)).ShouldContain(l => l.Contains("secureboot: Secure boot enabled", StringComparison.Ordinal));
        new FileInfo(ImageFolders.Disk(_root.Context.Root, image)).LastWriteTimeUtc.ShouldBe(before);
        new FileInfo((await _root.Context.Pools.Of(null).FindAsync(new($"{spec.Id}", "root"), default)).Top.Path).Length.ShouldBeLessThan(400 * Limits.MiB);
        await _node.StopAsync(spec.Id, default);
    }

    [Theory]
    [InlineData(InstanceKind.Microvm, null, "virtio-blk-device")]
    [InlineData(InstanceKind.Vm, null, "virtio-blk-pci")]
    [InlineData(InstanceKind.Vm, VolumeBus.Nvme, "virtio-blk-pci")]
    [InlineData(InstanceKind.Vm, VolumeBus.Sata, "ide-cd,bus=sata.1")]
    [InlineData(InstanceKind.Vm, VolumeBus.Scsi, "scsi-cd,bus=scsi.0")]
    public async Task The_disc_is_on_the_bus_of_the_first_disk_as_far_as_that_takes_discs(InstanceKind kind, VolumeBus? bus, string device)
    {
        const string Label = "dd if=/dev/vda bs=1 skip=32808 count=6 2>/dev/null; blockdev --getro /dev/vda; echo seen: all; sleep 1000";
        var spec = new InstanceSpec(Id<Instance>.New(), "seeded", kind, "qemu", 1, 256 * Limits.MiB, Firmware.Direct, images.Kernel, images.Initrd,
            $"quiet rdinit=/bin/sh -- -c \"mount -t devtmpfs d /dev; for m in /modules/*; do insmod $m 2>/dev/null; done; {Label}\"", 0)
        {
            Volumes = bus is { } first ? [new("root", VolumeDevice.Disk, null, null, 8 * Limits.MiB, first, VolumeCache.Writeback, ReadOnly: false)] : [],
            CloudInit = new(new(), 1),
        };
        await _node.DefineAsync(spec, default);
        await _node.StartAsync(spec.Id, default);

        (await _node.CommandLineAsync(spec.Id, default)).Arguments.ShouldContain(a => a.StartsWith($"{device},", StringComparison.Ordinal) && a.Contains("drive=gantry.seed,", StringComparison.Ordinal));
        if (bus is null)
        {
            (await LinesAsync(spec.Id)).ShouldContain("cidata1");
        }
    }

    /// <summary>Each line the guest's commands wrote, by its second word, once they are done.</summary>
    private async Task<Dictionary<string, string>> ToldAsync(Id<Instance> id)
    {
        var lines = await LinesAsync(id);
        return lines.Where(l => l.StartsWith("seen: ", StringComparison.Ordinal) && l != "seen: all").Select(l => l.Split(' ', 3)).ToDictionary(l => l[1], l => l.ElementAtOrDefault(2) ?? "");
    }

    private async Task<List<string>> LinesAsync(Id<Instance> id)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (true)
        {
            var lines = (await _node.ReadSerialAsync(id, 1 << 20, default)).Text.Split('\n').Select(l => l.TrimEnd('\r')).ToList();
            if (lines.Contains("seen: all"))
            {
                return lines;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, deadline.Token);
        }
    }
}
