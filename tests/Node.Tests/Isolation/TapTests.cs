using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Isolation;

/// <summary>TAP devices handed over, each test in a network namespace of its own that ends with its processes.</summary>
public sealed class TapTests(TestImages images) : IAsyncDisposable
{
    private readonly TestRoot _root = new();

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    [Fact]
    public async Task Frames_pass_between_a_guest_and_the_network_of_the_daemon_through_a_TAP_that_QEMU_cannot_open()
    {
        // TCG on a busy host: the guest is told its clock (see QemuCommandLine).
        const string guest = "for m in /modules/*; do insmod $m 2>/dev/null; done; ip addr add 10.77.0.2/24 dev eth0; ip link set eth0 up; echo guest is up; sleep 1000";
        string[] qemu =
        [
            "/usr/bin/qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-sandbox", QemuCommandLine.Sandbox, "-machine", "microvm,acpi=on", "-accel", "tcg", "-cpu", "max", "-m", "128",
            "-chardev", "socket,id=qmp,fd=3,server=on,wait=off", "-mon", "chardev=qmp,mode=control", "-chardev", "socket,id=serial,fd=4", "-serial", "chardev:serial",
            "-netdev", "tap,id=net,fd=8", "-device", "virtio-net-device,netdev=net,mac=52:54:00:12:34:56",
            "-kernel", "/dev/fd/6", "-initrd", "/dev/fd/7", "-append", $"console=ttyS0 reboot=t panic=-1 tsc_early_khz={HostFacts.Read().ClockKhz} quiet rdinit=/bin/sh -- -c \"{guest}\"",
        ];
        var launched = new LaunchedProcess(_root, _root.Context.Uids.First);

        // The shell keeps the namespace until the guest has answered; its own end is the deadline of the command.
        const string network = """
            ip tuntap add tap7 mode tap && ip addr add 10.77.0.1/24 dev tap7 && ip link set tap7 up || exit 9
            "$@" || exit 8
            for try in $(seq 300); do busybox ping -c 1 -W 1 10.77.0.2 && exit 0; done
            exit 7
            """;
        await launched.StartAsync(
            ["--open", $"6:r:{images.Kernel}", "--open", $"7:r:{images.Initrd}", "--tap", "8:tap7"], qemu, ["unshare", "-n", "--", "/bin/sh", "-c", network, "sh"]);

        File.ReadAllText(launched.Serial).ShouldContain("guest is up");
        File.ReadLines($"/proc/{launched.Pid}/net/dev").Skip(2).Select(l => l.Split(':')[0].Trim()).ShouldBe(["lo"], "QEMU has the descriptor, and sees no network");
    }

    [Theory]
    [InlineData("8:nosuch0", "there is no network device nosuch0")]
    [InlineData("8:lo", "the TAP device lo cannot be opened: Invalid argument")]
    [InlineData("8:", "8: is not NUMBER:NAME")]
    [InlineData("tap0", "tap0 is not NUMBER:NAME")]
    [InlineData("8:a-name-longer-than-any", "is not NUMBER:NAME")]
    public async Task What_is_no_TAP_is_told_at_once_and_none_is_made(string tap, string why)
    {
        var failed = await Should.ThrowAsync<CommandFailed>(() => new LaunchedProcess(_root, _root.Context.Uids.First).StartAsync(
            ["--tap", tap], ["/bin/true"], ["unshare", "-n", "--", "/bin/sh", "-c", "\"$@\"; code=$?; ip -brief link >&2; exit $code", "sh"]));

        failed.Errors.ShouldContain(why);
        failed.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).ShouldHaveSingleItem().ShouldStartWith("lo ");
    }
}
