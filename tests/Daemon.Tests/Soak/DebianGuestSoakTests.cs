using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Soak;

/// <summary>One Debian guest on a network of its own, and all that is done to its disks. `./dev soak` runs this.</summary>
[Trait("Category", "Soak")]
public sealed class DebianGuestSoakTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private const string Guest = "proof", Twin = "twin", User = "ann", Password = "a word of ann's";
    private const string Key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJrXb9r1sXkzB1fUuXz0sV9m3QYV0rGm0oQ8m1a2b3c4 ann@home";

    private RealMachines _machines = null!;

    private ApiClient Api => _machines.Api;

    [Fact]
    public async Task It_is_what_it_was_told_to_be_goes_back_in_time_and_is_cloned()
    {
        await using var host = await HostNamespace.StartAsync();
        await using var machines = _machines = await RealMachines.StartAsync(Database, _ => host.Around, networks: "linux");
        await Eventually.ShouldBeAsync(async () => (await Api.ListNetworksAsync()).Items.Count(n => n.Status.Works), 1);
        await DoneAsync(Api.BuildImageAsync(new("debian"), 120));
        var address = (await Api.GetNetworkAsync("default")).Ipv4!.Split('/')[0] is var gateway ? $"{gateway[..gateway.LastIndexOf('.')]}.50" : "";
        await LaunchAsync(address, gateway);

        try
        {
            await TellsAsync(address);
            (await host.RunAsync("busybox", "ping", "-c", "1", "-W", "60", address)).ShouldContain("1 packets received");
            await FilesComeBackAsync();
            await MemoryComesBackAsync();
            await WritesSurviveDeletionsAsync();
            await ClonesAreThemselvesAsync();
        }
        catch (Exception e)
        {
            // A guest that ended tells less on its console than QEMU and the daemon know.
            var logs = Directory.GetFiles($"{machines.Root}/data/instances", "qemu.log", SearchOption.AllDirectories).Select(f => string.Join('\n', File.ReadLines(f).TakeLast(20)));
            throw new InvalidOperationException($"{await Api.GetInstanceAsync(Guest)}\n{string.Join('\n', logs)}", e);
        }

        await machines.DeleteAsync(Twin, Guest);
    }

    private Task LaunchAsync(string address, string gateway) => DoneAsync(Api.CreateInstanceAsync(
        new()
        {
            Name = Guest,
            Image = "debian",
            Kind = InstanceKind.Vm,
            MemoryBytes = 512 * Limits.MiB,
            Volumes = [new() { Name = "data", SizeBytes = 512 * Limits.MiB }],
            Nics = [new() { Name = "eth0", Network = "default", Address = address }],
            CloudInit = new()
            {
                Users = [new() { Name = User, Password = Password, SshKeys = [Key], Sudo = true, Shell = "/bin/bash" }],
                Nics = [new() { Name = "eth0", Addresses = [$"{address}/24"], Gateway = gateway }],
                DnsServers = [gateway],
                Runcmd = ["echo ran > /srv/ran"],
            },
            StartNow = true,
        },
        120));

    private async Task TellsAsync(string address)
    {
        await using var shell = await SignInAsync();
        await shell.RunAsync("cloud-init status --wait >/dev/null");
        (await shell.RunAsync("hostname")).ShouldBe(Guest);
        (await shell.RunAsync($"cat ~{User}/.ssh/authorized_keys")).ShouldBe(Key);
        (await shell.RunAsync("ip -4 -o address show dev eth0 | awk '{print $4}'")).ShouldBe($"{address}/24");
        (await shell.RunAsync("cat /srv/ran")).ShouldBe("ran");
        (await shell.RunAsync($"getent shadow {User} | cut -d: -f2")).ShouldStartWith("$6$");
        await shell.RunAsync("mkfs.ext4 -q /dev/vdb && mkdir /data && echo '/dev/vdb /data ext4 defaults 0 2' >>/etc/fstab && mount /data");
    }

    private async Task FilesComeBackAsync()
    {
        await using (var shell = await SignOnAsync())
        {
            await shell.RunAsync("echo before >/srv/file; sync");
            await TakeAsync("files");
            (await Api.GetSnapshotAsync(Guest, "files")).Level.ShouldBe(SnapshotLevel.Filesystem);
            await shell.RunAsync("echo after >/srv/file; sync");
        }

        await RestoreAsync("files");
        await using var back = await SignInAsync();
        (await back.RunAsync("cat /srv/file")).ShouldBe("before");
    }

    /// <summary>The shell somebody signed in to goes on as well, with what it remembers.</summary>
    private async Task MemoryComesBackAsync()
    {
        int before, later;
        await using (var shell = await SignOnAsync())
        {
            await shell.RunAsync("remembered=yes; { n=0; while :; do n=$((n + 1)); echo $n >/dev/shm/n; sleep 0.1; done; } & sleep 3");
            before = await CountAsync(shell);
            await DoneAsync(Api.CreateSnapshotAsync(Guest, new("counting", Memory: true), 120));
            await shell.RunAsync("sleep 20; remembered=no");
            later = await CountAsync(shell);
        }

        await DoneAsync(Api.RestoreSnapshotAsync(Guest, "counting", new(Stop: true), 120));
        await using var back = await SignOnAsync();
        var now = await CountAsync(back);
        now.ShouldBeInRange(before, later - 1);
        (await back.RunAsync("echo $remembered")).ShouldBe("yes");
        await back.RunAsync("sleep 2");
        (await CountAsync(back)).ShouldBeGreaterThan(now);
        await back.RunAsync("kill %1; cat /srv/file");
    }

    private static async Task<int> CountAsync(GuestShell shell) => int.Parse(await shell.RunAsync("c=; until [ \"$c\" ]; do c=$(cat /dev/shm/n); done; echo $c"), CultureInfo.InvariantCulture);

    private async Task WritesSurviveDeletionsAsync()
    {
        await using (var shell = await SignOnAsync())
        {
            await WriteAsync(shell);
            await TakeAsync("s1", "s2", "s3", "s4", "s5");
        }

        await RestoreAsync("s3");
        await using var back = await SignInAsync();
        await CheckAsync(back);
        await WriteAsync(back);
        await TakeAsync("b1", "b2", "b3", "b4", "b5");
        foreach (var name in (string[])["s2", "s4", "b2", "b3", "counting"])
        {
            var written = await back.RunAsync("wc -l </data/sums");
            await DoneAsync(Api.DeleteSnapshotAsync(Guest, name, 120));
            await Eventually.ShouldBeAsync(async () => await back.RunAsync("wc -l </data/sums") != written, true);
        }

        await back.RunAsync("kill %1; wait; sync");
        await CheckAsync(back);
        foreach (var snapshot in (await Api.ListSnapshotsAsync(Guest)).Items)
        {
            (await DoneAsync(Api.VerifySnapshotAsync(Guest, snapshot.Name, 120))).Result!.Value.GetProperty("faults").GetArrayLength().ShouldBe(0, snapshot.Name);
        }

        await RestoreAsync("s5");
        await using var end = await SignInAsync();
        await CheckAsync(end);
    }

    /// <summary>Files of random bytes with their checksums, one after the other until the shell ends it.</summary>
    private static Task WriteAsync(GuestShell shell) => shell.RunAsync(
        "{ n=$(ls /data | wc -l); while :; do head -c 65536 /dev/urandom >/data/$n; sync; sha256sum /data/$n >>/data/sums; sync; n=$((n + 1)); sleep 0.2; done; } & sleep 2");

    private static Task CheckAsync(GuestShell shell) => shell.RunAsync("test -s /data/sums && sha256sum --check --quiet /data/sums && ! dmesg | grep -i 'i/o error'");

    private async Task ClonesAreThemselvesAsync()
    {
        await DoneAsync(Api.CloneAsync(Guest, "s5", new() { Name = Twin, Linked = true, StartNow = true }, 120));
        await using var twin = await SignInAsync(Twin);
        await using var source = await SignOnAsync();
        await twin.RunAsync("cloud-init status --wait >/dev/null");
        (await twin.RunAsync("hostname")).ShouldBe(Twin);
        (await twin.RunAsync("cloud-init query instance_id")).ShouldBe($"{(await Api.GetInstanceAsync(Twin)).Id}-1");
        foreach (var unique in (string[])["cat /etc/machine-id", "cat /etc/ssh/ssh_host_ed25519_key.pub", "cat /sys/class/net/eth0/address"])
        {
            var (one, other) = (await source.RunAsync(unique), await twin.RunAsync(unique));
            one.ShouldNotBeEmpty();
            other.ShouldNotBeEmpty();
            other.ShouldNotBe(one, unique);
        }

        await CheckAsync(twin);
    }

    private async Task TakeAsync(params IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            await DoneAsync(Api.CreateSnapshotAsync(Guest, new(name), 120));
        }
    }

    private Task RestoreAsync(string name) => DoneAsync(Api.RestoreSnapshotAsync(Guest, name, new(Stop: true, Start: true), 120));

    private async Task<Operation> DoneAsync(Task<Operation> asked)
    {
        var operation = await asked;
        while (operation.FinishedAt is null)
        {
            operation = await Api.GetOperationAsync(operation.Id, 120);
        }

        return await RunningDaemon.DoneAsync(Task.FromResult(operation));
    }

    private Task<GuestShell> SignInAsync(string guest = Guest) => GuestShell.SignInAsync(Api, guest, guest, User, Password);

    /// <summary>Where somebody has signed in since the guest's start.</summary>
    private Task<GuestShell> SignOnAsync() => GuestShell.GoOnAsync(Api, Guest);
}
