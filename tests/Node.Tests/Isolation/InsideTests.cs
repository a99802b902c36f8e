using Gantry.Contracts;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Isolation;

/// <summary>
/// What a process in QEMU's place can do: a guest that has taken over its QEMU is that process. Beside it a real QEMU runs, the victim.
/// </summary>
public sealed class InsideTests(TestImages images) : IAsyncLifetime
{
    private readonly TestRoot _root = new();
    private QemuDriver _driver = null!;
    private InstanceSpec _victim = null!;
    private int _victimPid;

    private int Attacker => _root.Context.Uids.First + 500;

    private string VictimsData => _root.Context.Folders.Data(_victim.Id);

    private string VictimsRun => _root.Context.Folders.Run(_victim.Id);

    public async ValueTask InitializeAsync()
    {
        _driver = new(_root.Context);
        _victim = await _root.DefineAsync(new(
            Id<Instance>.New(), "victim", InstanceKind.Microvm, "qemu", 2, 128 * Limits.MiB, Firmware.Direct, images.Kernel, images.Initrd, "quiet", 0)
        {
            Volumes = [new("disk", VolumeDevice.Disk, null, null, 1 << 20, VolumeBus.Virtio, VolumeCache.None, false)],
        });
        await _driver.StartAsync(_victim.Id, default);
        _victimPid = (await _driver.InspectAsync(_victim.Id, default)).Observed!.Pid!.Value;
    }

    public async ValueTask DisposeAsync()
    {
        await _driver.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task Nothing_of_the_host_and_of_another_instance_is_there()
    {
        string[] targets =
        [
            "/etc/shadow", "/etc/passwd", "/root", "/home", "/var/lib", "/run", "/sys", "/tmp", "/boot", "/proc/sys", "/proc/kallsyms", "/proc/cmdline", "/dev/net", "/dev/mem",
            _root.Path, VictimsData, $"{VictimsData}/spec.json", $"{VictimsData}/serial.log", VictimsRun, $"{VictimsRun}/qmp.sock", _root.Context.Root.Socket,
            .. ((string[])[VictimsData, _root.Context.Root.Pools]).SelectMany(folder => Directory.GetFiles(folder, "*", SearchOption.AllDirectories)), $"/proc/{_victimPid}", images.Kernel,
        ];
        targets.ShouldContain(t => t.EndsWith(".qcow2", StringComparison.Ordinal), "the victim has a disk");

        (await InsideAsync(string.Concat(targets.Select(t => $"[ -e '{t}' ] && echo 'sees {t}'\n")))).ShouldBe("");
        targets.Where(t => t is not "/home" && !t.EndsWith(".sock", StringComparison.Ordinal) && !t.StartsWith("/dev", StringComparison.Ordinal))
            .Count(t => File.Exists(t) || Directory.Exists(t)).ShouldBeGreaterThan(12, "most of them are on this host");
    }

    [Fact]
    public async Task Only_its_own_processes_are_there_and_no_other_can_be_signalled()
    {
        (await InsideAsync($"""
            for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || echo "sees $p"; done
            kill -9 {_victimPid} 2>&1
            kill -9 1
            kill -9 -1 2>&1
            echo still here
            """)).ShouldBe($"/bin/sh: 2: kill: No such process\n\n/bin/sh: 4: kill: No such process\n\nstill here\n");
        (await _driver.InspectAsync(_victim.Id, default)).State.ShouldBe(InstanceState.Running);
    }

    [Fact]
    public async Task No_network_is_there() =>
        (await InsideAsync("""
            sed 1,2d /proc/self/net/dev | cut -d: -f1 | tr -d ' '
            sed 1d /proc/self/net/route
            sed 1d /proc/self/net/unix | grep -c @
            exec 9<>/dev/tcp/127.0.0.1/80
            """, "/bin/bash")).ShouldStartWith("lo\n0\n/bin/bash: connect: Network is unreachable\n");

    [Fact]
    public async Task Nothing_can_be_written_mounted_or_gained()
    {
        string[] attempts =
        [
            .. ((string[])["/", "/etc", "/dev", "/usr", "/usr/bin", "/proc/self"]).Select(d => $"touch {d}/x"),
            "mount -t tmpfs none /etc", "mount -o remount,rw /", "mount -o remount,bind,rw /usr", "umount -l /usr", "mknod /dev/mem c 1 1",
            "unshare -U true", "unshare -r true", "unshare -m true", "unshare -n true", "unshare -p true", "/usr/sbin/chroot / true", "nsenter -t 1 -m true",
            "setpriv --reuid 0 true", "setpriv --inh-caps +net_admin true", "renice -n -5 $$", "prlimit --pid $$ --nproc=100000", "ip link set lo up",
        ];

        (await InsideAsync(string.Concat(attempts.Select(a => $"""
            [ -x "$(command -v {a.Split(' ')[0]})" ] || echo 'cannot even try {a}'
            ({a}) >/dev/null 2>&1 && echo 'could {a}'

            """)) + "echo done", options: ["--limit", "nproc=100", "--device", "/dev/zero"])).ShouldBe("done\n");
    }

    /// <summary>As if it had broken out of its namespaces: then there is its user yet, who is nobody else's.</summary>
    [Fact]
    public async Task Outside_its_namespaces_a_process_could_still_open_nothing_of_another_instance()
    {
        var supervisor = File.ReadAllText($"{VictimsRun}/pids").Split(' ')[2];
        string[] files =
        [
            .. Directory.GetFiles(VictimsData, "*", SearchOption.AllDirectories), .. Directory.GetFiles(VictimsRun),
            .. ((string[])[$"{_victimPid}", supervisor]).SelectMany(pid => (string[])[
                $"/proc/{pid}/root/etc/ld.so.cache", $"/proc/{pid}/root/usr", $"/proc/{pid}/mem", $"/proc/{pid}/environ", $"/proc/{pid}/maps", $"/proc/{pid}/ns/net",
                .. Directory.GetFiles($"/proc/{pid}/fd")]),
        ];
        files.Length.ShouldBeGreaterThan(30);
        var script = string.Concat(files.Select(f => $"cat '{f}' >/dev/null 2>&1 && echo 'read {f}'\n( : >>'{f}' ) 2>/dev/null && echo 'wrote {f}'\nls '{f}/' >/dev/null 2>&1 && echo 'listed {f}'\n"))
            + $"ls /proc/{_victimPid}/fd /proc/{_victimPid}/root/ 2>/dev/null\nfor s in 9 19 0; do kill -$s {_victimPid} 2>/dev/null && echo signalled; kill -$s {supervisor} 2>/dev/null && echo signalled; done\n"
            + $"nsenter -t {_victimPid} -m -n true 2>/dev/null && echo entered\n[ -d {_root.Path} ] && echo done";

        (await InsideAsync(script, options: ["--namespaces", "host"])).ShouldBe("done\n");
    }

    [Fact]
    public async Task A_real_QEMU_as_root_sees_it_is_alone()
    {
        var status = Directory.GetDirectories($"/proc/{_victimPid}/task").Select(t => File.ReadAllText($"{t}/status")).ToList();
        status.Count.ShouldBeGreaterThan(2, "the processors of the guest are threads");
        foreach (var thread in status)
        {
            foreach (var line in (string[])["Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", $"Uid:\t{_victim.Uid}\t{_victim.Uid}\t{_victim.Uid}\t{_victim.Uid}"])
            {
                thread.ShouldContain(line);
            }
        }

        foreach (var kind in (string[])["mnt", "pid", "net", "ipc", "uts", "cgroup"])
        {
            var own = new FileInfo($"/proc/{_victimPid}/ns/{kind}").LinkTarget;
            own.ShouldNotBeNull();
            own.ShouldNotBe(new FileInfo($"/proc/self/ns/{kind}").LinkTarget, kind);
        }

        File.ReadLines($"/proc/{_victimPid}/mountinfo").Select(l => l.Split(' ')).Select(f => $"{f[4]} {f[5].Split(',')[0]}").Except(["/lib ro", "/lib32 ro", "/lib64 ro", "/libx32 ro", "/bin ro", "/sbin ro"])
            .ShouldBe(["/usr ro", "/dev/null ro", "/dev/zero ro", "/dev/full ro", "/dev/random ro", "/dev/urandom ro", "/etc/ld.so.cache ro", "/proc ro"], ignoreOrder: true);
        Directory.GetFileSystemEntries($"/proc/{_victimPid}/root/etc").Select(Path.GetFileName).ShouldBe(["ld.so.cache"]);
        Directory.GetFileSystemEntries($"/proc/{_victimPid}/root").Select(Path.GetFileName).ShouldBeSubsetOf(["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "dev", "etc", "proc"]);
        File.ReadLines($"/proc/{_victimPid}/net/dev").Skip(2).Select(l => l.Split(':')[0].Trim()).ShouldBe(["lo"]);
        File.ReadLines($"/proc/{_victimPid}/limits").Single(l => l.StartsWith("Max locked memory", StringComparison.Ordinal)).ShouldContain(" 65536 ");
        Directory.GetFiles($"/proc/{_victimPid}/fd").Select(f => new FileInfo(f).LinkTarget!).ShouldNotContain(t => t == "/" || Directory.Exists(t));
    }

    private async Task<string> InsideAsync(string script, string shell = "/bin/sh", params string[] options)
    {
        var inside = await new LaunchedProcess(_root, Attacker).StartAsync(options, [shell, "-c", script]);
        return await inside.EndedAsync();
    }
}
