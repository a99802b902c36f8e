using System.Text;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Images;
using Gantry.Node.Instances;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>NICs of real guests on bridges of a network namespace.</summary>
public sealed class NicTests(TestImages images) : IAsyncLifetime
{
    private const string Mac = "52:54:00:77:00:01";
    private const string OtherMac = "52:54:00:77:00:02";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private NicNetwork _network = null!;
    private LocalNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _network = await NicNetwork.MakeAsync();
        _node = new(_network.Root.Context);
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _network.DisposeAsync();
    }

    [Theory]
    [InlineData(InstanceKind.Microvm)]
    [InlineData(InstanceKind.Vm)]
    public async Task A_guest_gets_its_lease_and_its_prefix_and_what_passes_its_NIC_is_counted(InstanceKind kind)
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24", "fd77::1/64");
        _network.Serve(net, "--dhcp-range=10.77.0.0,static", $"--dhcp-host={Mac},10.77.0.5", "--dhcp-option=option:dns-server,10.77.0.1", "--dhcp-option=option:mtu,1400", "--enable-ra", "--dhcp-range=fd77::,slaac");
        var spec = await GivenAsync(kind, "", new NicSpec("eth0", Mac, null, net));
        var tap = NetworkNames.Tap(spec.Id, "eth0");

        await _node.StartAsync(spec.Id, default);
        await SaysAsync(spec.Id, "eth0 has 10.77.0.5/24");
        await _network.PingAsync("10.77.0.5");
        await _network.PingAsync("fd77::5054:ff:fe77:1");

        (await AskAsync(spec.Id, "cat /etc/resolv.conf; cat /sys/class/net/eth0/mtu; hostname")).ShouldBe(["search net.gantry", "nameserver 10.77.0.1", "1400", "guest"]);
        var before = (await _node.NicStatisticsAsync(spec.Id, default)).ShouldHaveSingleItem();
        await _network.RunAsync("busybox", "ping", "-c", "3", "-i", "0.2", "-s", "1000", "10.77.0.5");
        var after = (await _node.NicStatisticsAsync(spec.Id, default)).ShouldHaveSingleItem();
        after.Nic.ShouldBe("eth0");
        (after.ReceivedPackets - before.ReceivedPackets).ShouldBeGreaterThanOrEqualTo(3);
        (after.SentPackets - before.SentPackets).ShouldBeGreaterThanOrEqualTo(3);
        (after.ReceivedBytes - before.ReceivedBytes).ShouldBeGreaterThanOrEqualTo(3 * 1042);
        (after.SentBytes - before.SentBytes).ShouldBeGreaterThanOrEqualTo(3 * 1042);

        var link = (await LinksAsync()).Single(l => l.Name == tap);
        (link.Mtu, link.Alias).ShouldBe((1400, $"gantry:{_network.Root.Path}:{spec.Id}:eth0"));
        (await _network.RunAsync("ip", "-6", "address", "show", "dev", tap)).ShouldBeEmpty("the host has no address on a guest's cable");
        await _node.StopAsync(spec.Id, default);
        (await _network.DevicesAsync()).ShouldBeEmpty();
        (await _node.NicStatisticsAsync(spec.Id, default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_guest_sets_its_NICs_up_as_its_command_line_says_whatever_else_the_network_tells()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24", "fd77::1/64");
        _network.Serve(net, "--dhcp-range=10.77.0.100,10.77.0.200");
        var spec = await GivenAsync(
            InstanceKind.Microvm, $"gantry.nic={Mac.ToUpperInvariant()},10.77.0.5/24,10.77.0.1,10.77.0.53,fd77::5/64,fd77::1 gantry.nic={OtherMac},10.78.0.5/16,,",
            new("eth0", Mac, null, net), new("eth1", OtherMac));
        await _node.StartAsync(spec.Id, default);

        await SaysAsync(spec.Id, "eth0 has 10.77.0.5/24");
        await SaysAsync(spec.Id, "eth0 has fd77::5/64");
        await SaysAsync(spec.Id, "eth1 has 10.78.0.5/16");
        await _network.PingAsync("10.77.0.5");
        await _network.PingAsync("fd77::5");
        (await AskAsync(spec.Id, "cat /etc/resolv.conf; ip route; ip -6 route | grep default; pidof udhcpc || echo none")).Select(l => l.Trim()).ShouldBe(
        [
            "nameserver 10.77.0.53", "default via 10.77.0.1 dev eth0", "10.77.0.0/24 dev eth0 scope link  src 10.77.0.5", "10.78.0.0/16 dev eth1 scope link  src 10.78.0.5",
            "default via fd77::1 dev eth0  metric 1024", "none",
        ]);
    }

    [Fact]
    public async Task A_guest_on_a_network_that_is_silent_is_up_all_the_same_and_gets_its_lease_when_there_is_one()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        await _network.RunAsync("ip", "link", "set", NetworkNames.Bridge(net), "down");
        var spec = await GivenAsync(InstanceKind.Microvm, "", new("eth0", Mac, null, net), new("eth1", OtherMac));
        await _node.StartAsync(spec.Id, default);
        await SaysAsync(spec.Id, "micro is up");
        (await AskAsync(spec.Id, "ip -o -4 address | wc -l")).ShouldBe(["1"], "its loopback alone has an address");

        await _network.RunAsync("ip", "link", "set", NetworkNames.Bridge(net), "up");
        _network.Serve(net, "--dhcp-range=10.77.0.5,10.77.0.5");

        await SaysAsync(spec.Id, "eth0 has 10.77.0.5/24");
    }

    [Fact]
    public async Task A_NIC_plugged_into_a_running_VM_gets_its_lease_and_is_gone_when_it_is_pulled_out()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        _network.Serve(net, "--dhcp-range=10.77.0.0,static", $"--dhcp-host={Mac},10.77.0.5", $"--dhcp-host={OtherMac},10.77.0.6");
        var spec = await GivenAsync(InstanceKind.Vm, "", new NicSpec("first", Mac, null, net));
        await _node.StartAsync(spec.Id, default);
        await SaysAsync(spec.Id, "eth0 has 10.77.0.5/24");
        await SaysAsync(spec.Id, "micro is up");

        (await _node.PlugNicAsync(spec.Id, new("more", OtherMac, null, net), default)).ShouldBe(new NicChange());
        (await _node.PlugNicAsync(spec.Id, new("more", OtherMac, null, net), default)).ShouldBe(new NicChange(), "twice is the same as once");
        await SaysAsync(spec.Id, "eth1 has 10.77.0.6/24");
        await _network.PingAsync("10.77.0.6");
        (await _node.NicStatisticsAsync(spec.Id, default)).Select(s => s.Nic).ShouldBe(["first", "more"]);
        await Eventually(async () => (await _node.NicStatisticsAsync(spec.Id, default)).All(s => s.SentPackets > 0));

        // Both the one it was started with and the one that came later.
        (await _node.UnplugNicAsync(spec.Id, "first", default)).ShouldBe(new NicChange());
        (await _network.DevicesAsync()).ShouldBe([NetworkNames.Tap(spec.Id, "more")]);
        (await AskAsync(spec.Id, "ls -1 /sys/class/net")).ShouldBe(["eth1", "lo"]);
        (await _node.UnplugNicAsync(spec.Id, "more", default)).ShouldBe(new NicChange());
        (await _node.UnplugNicAsync(spec.Id, "more", default)).ShouldBe(new NicChange());
        (await _network.DevicesAsync()).ShouldBeEmpty();
        (await AskAsync(spec.Id, "ls /sys/class/net; pidof udhcpc || echo none")).ShouldBe(["lo", "none"]);

        (await _node.PlugNicAsync(spec.Id, new("more", OtherMac, NicModel.E1000e, net), default)).ShouldBe(new NicChange());
        (await _node.PlugNicAsync(spec.Id, new("nowhere", Mac, NicModel.Rtl8139), default)).ShouldBe(new NicChange());
        (await AskAsync(spec.Id, "sleep 1; cat /sys/bus/pci/devices/*/device | grep -c -e 0x10d3 -e 0x8139")).ShouldBe(["2"]);
        _network.Root.Context.Folders.Read(spec.Id).Nics!.Select(n => (n.Name, n.Port)).ShouldBe([("more", 0), ("nowhere", 1)]);
    }

    [Theory]
    [InlineData(NicModel.Virtio)]
    [InlineData(NicModel.E1000e)]
    [InlineData(NicModel.Rtl8139)]
    public async Task A_card_of_any_model_boots_from_the_network(NicModel model)
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        _network.Serve(net, "--dhcp-range=10.77.0.0,static", $"--dhcp-host={Mac},10.77.0.5");
        var spec = await GivenAsync(InstanceKind.Vm, "", new NicSpec("eth0", Mac, model, net));
        _network.Root.Context.Folders.Write(spec with { Firmware = Firmware.Bios, Kernel = null, Initrd = null, CommandLine = null, BootOrder = ["eth0"] });

        await _node.StartAsync(spec.Id, default);

        // The firmware of the card has nothing to boot, but asks for an address first.
        await Eventually(() => Task.FromResult(File.Exists(_network.LeasesOf(net)) && File.ReadAllText(_network.LeasesOf(net)).Contains($"{Mac} 10.77.0.5", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_guest_for_Arm_gets_its_lease_and_takes_another_NIC()
    {
        var image = await images.LendAsync("micro-aarch64", _network.Root);
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        _network.Serve(net, "--dhcp-range=10.77.0.0,static", $"--dhcp-host={Mac},10.77.0.5", $"--dhcp-host={OtherMac},10.77.0.6");
        var spec = await GivenAsync(InstanceKind.Vm, "", new NicSpec("eth0", Mac, null, net));
        _network.Root.Context.Folders.Write(spec with
        {
            Architecture = Architecture.Aarch64,
            Firmware = Firmware.Uefi,
            MemoryBytes = 256 * Limits.MiB,
            Kernel = ImageFolders.Kernel(_network.Root.Context.Root, image),
            Initrd = ImageFolders.Initrd(_network.Root.Context.Root, image),
        });
        await _node.StartAsync(spec.Id, default);
        await SaysAsync(spec.Id, "eth0 has 10.77.0.5/24");
        await _network.PingAsync("10.77.0.5");

        (await _node.PlugNicAsync(spec.Id, new("eth1", OtherMac, null, net), default)).ShouldBe(new NicChange());
        await SaysAsync(spec.Id, "eth1 has 10.77.0.6/24");
        await _network.PingAsync("10.77.0.6");
        (await _node.UnplugNicAsync(spec.Id, "eth1", default)).ShouldBe(new NicChange());
        (await _network.DevicesAsync()).ShouldBe([NetworkNames.Tap(spec.Id, "eth0")]);
    }

    [Fact]
    public async Task A_NIC_its_guest_will_not_let_go_of_has_its_cable_pulled()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        var spec = await GivenAsync(InstanceKind.Vm, $"gantry.nic={Mac},10.77.0.5/24,,", new NicSpec("eth0", Mac, null, net));
        await _node.StartAsync(spec.Id, default);
        await SaysAsync(spec.Id, "eth0 has 10.77.0.5/24");
        await _network.PingAsync("10.77.0.5");
        await _node.PauseAsync(spec.Id, default);

        (await _node.UnplugNicAsync(spec.Id, "eth0", default))!.WhyNot.ShouldBe(NicReasons.Unanswered);
        (await _node.PlugNicAsync(spec.Id, new("eth0", Mac, null, net), default))!.WhyNot.ShouldBe(NicReasons.Held);
        await _node.ResumeAsync(spec.Id, default);
        (await LinksAsync()).Single(l => l.Name == NetworkNames.Tap(spec.Id, "eth0")).Flags.ShouldNotContain("UP");

        (await _node.UnplugNicAsync(spec.Id, "eth0", default)).ShouldBe(new NicChange());
        (await _node.PlugNicAsync(spec.Id, new("eth0", Mac, null, net), default)).ShouldBe(new NicChange());
        await _network.PingAsync("10.77.0.5");
    }

    [Fact]
    public async Task A_running_microVM_is_told_to_have_no_other_NICs_before_its_next_start()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        var spec = await GivenAsync(InstanceKind.Microvm, $"gantry.nic={OtherMac},10.77.0.6/24,,", new NicSpec("eth0", Mac, null, net));
        (await _node.UnplugNicAsync(spec.Id, "eth0", default)).ShouldBeNull("it does not run");
        (await _node.PlugNicAsync(spec.Id, new("eth0", Mac, null, net), default)).ShouldBeNull();
        await _node.StartAsync(spec.Id, default);

        (await _node.PlugNicAsync(spec.Id, new("eth1", OtherMac, null, net), default)).ShouldBe(new NicChange(NicReasons.NoPlug));
        (await _network.DevicesAsync()).ShouldBe([NetworkNames.Tap(spec.Id, "eth0")]);
        (await _node.UnplugNicAsync(spec.Id, "eth0", default)).ShouldBe(new NicChange(NicReasons.NoUnplug));

        await _node.StopAsync(spec.Id, default);
        await _node.StartAsync(spec.Id, default);
        await _network.PingAsync("10.77.0.6");
        (await _network.DevicesAsync()).ShouldBe([NetworkNames.Tap(spec.Id, "eth1")]);
    }

    [Fact]
    public async Task A_NIC_works_on_without_a_daemon_and_is_taken_up_by_the_next()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        var spec = await GivenAsync(InstanceKind.Microvm, $"gantry.nic={Mac},10.77.0.5/24,,", new NicSpec("eth0", Mac, null, net));
        await _node.StartAsync(spec.Id, default);
        await _network.PingAsync("10.77.0.5");

        await _node.DisposeAsync();
        await _network.PingAsync("10.77.0.5");
        _node = new(_network.Root.Context);
        (await _node.RecoverAsync(default))[spec.Id].State.ShouldBe(InstanceState.Running);
        await _network.PingAsync("10.77.0.5");
        (await _node.LimitNicAsync(spec.Id, "eth0", new() { SendBytesPerSecond = 1_000_000 }, default)).ShouldBe(new NicChange());
        await _network.PingAsync("10.77.0.5");
        (await _network.DevicesAsync()).ShouldBe([NetworkNames.Ifb(spec.Id, "eth0"), NetworkNames.Tap(spec.Id, "eth0")]);

        await _node.RemoveAsync(spec.Id, default);
        (await _network.DevicesAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_devices_of_a_guest_that_ends_by_itself_go_with_it_whether_a_daemon_sees_it_or_not()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        var spec = await GivenAsync(InstanceKind.Microvm, "", new NicSpec("eth0", Mac, null, net, new() { SendBytesPerSecond = 1_000_000 }));
        await _node.StartAsync(spec.Id, default);
        await SaysAsync(spec.Id, "micro is up");
        await TypeAsync(spec.Id, "poweroff -f\r");
        await foreach (var change in _node.ChangesAsync(new CancellationTokenSource(Patience).Token))
        {
            if (change.State == InstanceState.Stopped)
            {
                break;
            }
        }

        (await _network.DevicesAsync()).ShouldBeEmpty();

        await _node.StartAsync(spec.Id, default);
        (await _network.DevicesAsync()).Count.ShouldBe(2);
        var pid = (await _node.InspectAsync(spec.Id, default)).Observed!.Pid!.Value;
        await _node.DisposeAsync();
        using (var process = await QemuProcess.FindAsync(_network.Root.Context.Folders.Run(spec.Id), TimeProvider.System))
        {
            process!.Pid.ShouldBe(pid);
            process.Kill();
            await process.Ended.WaitAsync(Patience);
        }

        _node = new(_network.Root.Context);
        (await _node.RecoverAsync(default))[spec.Id].State.ShouldBe(InstanceState.Stopped);
        (await _network.DevicesAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_start_that_fails_leaves_no_device()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        var spec = await GivenAsync(InstanceKind.Microvm, "", new NicSpec("eth0", Mac, null, net));
        _network.Root.Context.Folders.Write(spec with { Cpu = new() { Model = "no-such-model" } });

        (await Should.ThrowAsync<Refusal>(() => _node.StartAsync(spec.Id, default))).Code.ShouldBe("driver.start_failed");

        (await _network.DevicesAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_is_wrong_with_a_network_is_told_before_anything_starts()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        var spec = await GivenAsync(InstanceKind.Vm, "", new NicSpec("eth0", Mac, null, net));
        await _network.RunAsync("ip", "link", "del", NetworkNames.Bridge(net));
        (await WhyAsync(net)).ShouldBe($"The network 'net' does not work on this node: its bridge '{NetworkNames.Bridge(net)}' is not there.");
        await _network.RunAsync("ip", "link", "add", NetworkNames.Bridge(net), "type", "veth", "peer", "name", "wire");
        (await WhyAsync(net)).ShouldBe($"The network 'net' does not work on this node: '{NetworkNames.Bridge(net)}' is no bridge.");
        var nowhere = Id<Network>.New();
        (await WhyAsync(nowhere)).ShouldBe($"The network {nowhere} is not on this node.");
        _network.Define(new(net, "theirs", NetworkKind.Bridge, "x") { Device = "br0\nlink del lo" });
        (await WhyAsync(net)).ShouldContain("is not there");
        (await _network.DevicesAsync()).ShouldBeEmpty();

        async Task<string> WhyAsync(Id<Network> network)
        {
            _network.Root.Context.Folders.Write(spec with { Nics = [new("eth0", Mac, null, network)] });
            var refusal = await Should.ThrowAsync<Refusal>(() => _node.StartAsync(spec.Id, default));
            refusal.Code.ShouldBe("network.not_working");
            return refusal.Message;
        }
    }

    [Fact]
    public async Task A_bridge_of_the_hosts_own_takes_NICs_and_keeps_its_address()
    {
        await _network.RunAsync("ip", "link", "add", "br0", "type", "bridge");
        await _network.RunAsync("ip", "link", "add", "card", "address", "02:00:00:00:00:07", "type", "veth", "peer", "name", "wire");
        await _network.RunAsync("ip", "link", "set", "card", "master", "br0");
        await _network.RunAsync("ip", "link", "set", "br0", "up");
        await _network.RunAsync("ip", "address", "add", "10.77.0.1/24", "dev", "br0");
        var theirs = Id<Network>.New();
        _network.Define(new(theirs, "theirs", NetworkKind.Bridge, "x") { Device = "br0" });
        var spec = await GivenAsync(InstanceKind.Microvm, $"gantry.nic={Mac},10.77.0.5/24,,", new NicSpec("eth0", Mac, null, theirs));

        await _node.StartAsync(spec.Id, default);

        await _network.PingAsync("10.77.0.5");
        (await _network.RunAsync("ip", "link", "show", "br0")).ShouldContain("02:00:00:00:00:07");
    }

    [Fact]
    public async Task Devices_of_a_run_folder_that_was_emptied_are_used_again_or_swept()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        var spec = await GivenAsync(InstanceKind.Microvm, $"gantry.nic={Mac},10.77.0.5/24,,", new NicSpec("eth0", Mac, null, net, new() { SendBytesPerSecond = 1_000_000 }));
        var taps = new Taps(_network.Root.Context);
        var run = _network.Root.Context.Folders.Run(spec.Id);
        Directory.CreateDirectory(run);
        await taps.MakeAsync(spec.Id, spec.Nics!, default);
        Directory.Delete(run, recursive: true);
        var foreign = await _network.RunAsync("ip", "tuntap", "add", "dev", "gt-another", "mode", "tap");
        await _network.RunAsync("ip", "link", "set", "gt-another", "alias", $"gantry:/another:{spec.Id}:eth0");

        await _node.StartAsync(spec.Id, default);
        await _network.PingAsync("10.77.0.5");
        await taps.SweepAsync(default);
        (await _network.DevicesAsync()).Count.ShouldBe(3, "those of a guest that runs stay");
        await _node.StopAsync(spec.Id, default);
        Directory.CreateDirectory(run);
        await taps.MakeAsync(spec.Id, spec.Nics!, default);
        Directory.Delete(run, recursive: true);

        await _node.RecoverAsync(default);

        (await _network.DevicesAsync()).ShouldBe(["gt-another"], foreign);
    }

    private async Task<InstanceSpec> GivenAsync(InstanceKind kind, string commandLine, params NicSpec[] nics)
    {
        var spec = new InstanceSpec(
            Id<Instance>.New(), "guest", kind, "qemu", 1, 128 * Limits.MiB, Firmware.Direct, images.Kernel, images.Initrd, $"quiet {commandLine}", 0) { Nics = nics };
        await _node.DefineAsync(spec, default);
        return _network.Root.Context.Folders.Read(spec.Id);
    }

    private Task SaysAsync(Id<Instance> id, string text) => Eventually(async () => (await _node.ReadSerialAsync(id, 1 << 20, default)).Text.Contains(text, StringComparison.Ordinal));

    private async Task TypeAsync(Id<Instance> id, string keys)
    {
        await using var line = await _node.OpenSerialAsync(id, null, 0, default);
        await line.WriteAsync(Encoding.UTF8.GetBytes(keys), default);
    }

    /// <summary>What a command writes at the guest's shell, by lines.</summary>
    private async Task<string[]> AskAsync(Id<Instance> id, string command)
    {
        await SaysAsync(id, "micro is up");
        await using var line = new LineTypist(await _node.OpenSerialAsync(id, null, 0, default), Patience);
        return await line.AskAsync(command);
    }

    private async Task<IReadOnlyList<HostLink>> LinksAsync() => HostLink.ReadAll(await _network.RunAsync("ip", "-json", "-d", "link", "show"));

    private static async Task Eventually(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (!await condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, deadline.Token);
        }
    }
}
