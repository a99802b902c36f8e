using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli.Tests;

public sealed class OutputTests
{
    private static async Task<FakeDaemon> GivenDaemonAsync() => (await FakeDaemon.StartAsync())
        .On("GET /instances", new Page<Instance>([Samples.Instance(), Samples.Instance("db", InstanceState.Stopped) with { Image = null, Kind = InstanceKind.Vm, MemoryBytes = 3L << 29 }], null), WireJson.Default.PageInstance)
        .On("GET /instances/web1", Samples.Instance(), WireJson.Default.Instance)
        .On("GET /instances/full", Samples.Instance("full", InstanceState.Paused) with
        {
            Kind = InstanceKind.Vm,
            PauseCause = PauseCause.IoError,
            StateReason = "no space is left on the host for disk 'data'",
            MaxCpus = 4,
            MaxMemoryBytes = 1L << 30,
            Pending = new(8, 2L << 30, "It was started with room for 4 CPUs."),
        }, WireJson.Default.Instance)
        .On("GET /instances/web1/logs", new SerialOutput("[    0.0] Linux\r\n\u001b[32mok\u001b[0m \u001b]0;owned\u0007\n", true), WireJson.Default.SerialOutput)
        .On("GET /instances/web1/command-line", new DriverCommandLine("/usr/bin/qemu-system-x86_64", ["-M", "microvm"], "/usr/bin/qemu-system-x86_64 -M microvm"), WireJson.Default.DriverCommandLine)
        .On("GET /operations", new Page<Operation>([Samples.Operation() with { Progress = new("boot", 41.6) }, Samples.Operation(OperationState.Failed, "image.build", "micro")], null), WireJson.Default.PageOperation)
        .On($"GET /operations/{Samples.OperationId}", Samples.Operation(OperationState.Failed), WireJson.Default.Operation)
        .On($"GET /operations/{Samples.OperationId}/log", new OperationLog([new(CliRig.Now, "qemu pid 4711"), new(CliRig.Now, "two\nlines")]), WireJson.Default.OperationLog)
        .On("GET /images", new Page<Image>([Samples.Image()], null), WireJson.Default.PageImage)
        .On("GET /images/micro", Samples.Image(), WireJson.Default.Image)
        .On("GET /drivers", new Page<DriverInfo>([new("qemu", [InstanceKind.Vm, InstanceKind.Microvm], DriverHealth.Usable, "7.2", "tcg", ["pause", "serialLog"], "TCG: no hardware virtualisation here"), new("lxc", [InstanceKind.Container], DriverHealth.Unusable, null, null, [], "apt install lxc")], null), WireJson.Default.PageDriverInfo)
        .On("GET /networks", new Page<Network>([Samples.Network(), Samples.Network("back", NetworkKind.Isolated)], null), WireJson.Default.PageNetwork)
        .On("GET /networks/default", Samples.Network(), WireJson.Default.Network)
        .On("GET /networks/default/addresses", new Page<NicAddress>([new(Samples.Instance().Id, "web1", "eth0", "52:54:00:00:00:01", "10.77.0.2", "fd42:1::2", true, new Dictionary<string, string>())], null), WireJson.Default.PageNicAddress)
        .On("GET /networks/default/forwards", new Page<Forward>([new() { Id = Id<Forward>.Parse("0198c0de-0000-7000-8000-0000000000ff"), Protocol = TransportProtocol.Tcp, HostAddresses = ["192.0.2.1"], HostPorts = "8080", Instance = "web1", InstancePort = 80, Description = "the site" }], null), WireJson.Default.PageForward)
        .On("GET /networks/default/policies", new Page<Policy>([Samples.Policy()], null), WireJson.Default.PagePolicy)
        .On("GET /networks/default/counters", new Page<PolicyCounter>([new("web-in", 0, PolicyDirection.In, 12, 3 << 20), new("web-in", null, PolicyDirection.In, 0, 0)], null), WireJson.Default.PagePolicyCounter)
        .On("POST /networks/default/policies:explain", new PolicyDecision(PolicyAction.Deny, [new(PolicyDirection.Out, "web1", "eth0", PolicyAction.Allow), new(PolicyDirection.In, "db", "eth0", PolicyAction.Deny, "web-in", 1)]), WireJson.Default.PolicyDecision)
        .On("GET /instances/web1/nics", new Page<NicInfo>([new(new() { Name = "eth0", Network = "default", Address = "10.77.0.2", Mac = "52:54:00:00:00:01", Limits = new() { ReceiveBytesPerSecond = 5 << 20 } }, new("eth0", 7 << 20, 5_000, 3, 1 << 10, 12, 0))], null), WireJson.Default.PageNicInfo)
        .On("GET /nodes", new Page<NodeInfo>([new(Id<NodeInfo>.Parse("0198c0de-0000-7000-8000-0000000000cc"), "node1", 2, 24L << 30, "6.18", "x86_64")], null), WireJson.Default.PageNodeInfo)
        .On("GET /system/doctor", new DoctorReport([new("kvm", CheckLevel.Warning, "no vmx or svm", "TCG is used."), new("qemu", CheckLevel.Ok, "7.2", null), new("postgres", CheckLevel.Failed, "not installed", "apt install postgresql")]), WireJson.Default.DoctorReport)
        .On("GET /system", new SystemInfo("0.1.0", Id<NodeInfo>.Parse("0198c0de-0000-7000-8000-0000000000cc"), "node1", "/var/lib/gantry", "https://127.0.0.1:8443", new string('c', 64), CliRig.Now.AddHours(-5), 42), WireJson.Default.SystemInfo)
        .On("GET /system/config", new Settings([new("https.port", JsonDocument.Parse("8443").RootElement, "default", "Where HTTPS listens."), new("root", JsonDocument.Parse("\"/x\"").RootElement, "flag", "The directory.")]), WireJson.Default.Settings);

    [Theory]
    [InlineData("list")]
    [InlineData("list -q")]
    [InlineData("list -o json")]
    [InlineData("list -o yaml")]
    [InlineData("info web1")]
    [InlineData("info full")]
    [InlineData("info web1 -o json")]
    [InlineData("info web1 -o yaml")]
    [InlineData("command-line web1")]
    [InlineData("operation list")]
    [InlineData("operation list -q")]
    [InlineData("operation show 0198c0de-0000-7000-8000-000000000001")]
    [InlineData("operation log 0198c0de-0000-7000-8000-000000000001")]
    [InlineData("image list")]
    [InlineData("image info micro")]
    [InlineData("driver list")]
    [InlineData("driver list -q")]
    [InlineData("node list")]
    [InlineData("network list")]
    [InlineData("network info default")]
    [InlineData("network addresses default")]
    [InlineData("forward list")]
    [InlineData("policy list")]
    [InlineData("policy info web-in")]
    [InlineData("policy counters")]
    [InlineData("policy explain web1 db 5432")]
    [InlineData("nic list web1")]
    [InlineData("doctor")]
    [InlineData("system")]
    [InlineData("config show")]
    [InlineData("config show -o yaml")]
    public async Task What_is_shown_is_what_the_golden_file_says(string commandLine)
    {
        await using var daemon = await GivenDaemonAsync();
        var result = await CliRig.RunAsync(daemon, commandLine.Split(' '));
        Golden.Matches("show-" + commandLine.Replace("0198c0de-0000-7000-8000-000000000001", "id").Replace(" ", "-").Replace("--", "-"), result.Transcript("gantry " + commandLine));
    }

    [Fact]
    public async Task Json_is_the_answer_to_the_byte()
    {
        const string odd = "{ \"items\" : [ ],\t\"nextCursor\":null, \"newer\": \"\\u00e9\\/\" }\r\n ";
        await using var daemon = (await FakeDaemon.StartAsync()).On("GET /instances", odd).On("GET /system", odd);
        (await CliRig.RunAsync(daemon, "list", "-o", "json")).Out.ShouldBe(odd);
        (await CliRig.RunAsync(daemon, "system", "-o", "json")).Out.ShouldBe(odd);
        (await CliRig.RunAsync(daemon, "query", "GET", "/system")).Out.ShouldBe(odd);
    }

    [Fact]
    public async Task A_long_list_is_read_to_its_end()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /instances", new Page<Instance>([Samples.Instance("a")], "c 1"), WireJson.Default.PageInstance)
            .On("GET /instances", new Page<Instance>([Samples.Instance("b")], null), WireJson.Default.PageInstance);
        (await CliRig.RunAsync(daemon, "list", "-q", "--filter", "name like 'w*'")).Out.ShouldBe("a\nb\n");
        daemon.Requests.Select(seen => seen.Query).ShouldBe(["?limit=1000&filter=name%20like%20%27w%2A%27", "?limit=1000&filter=name%20like%20%27w%2A%27&cursor=c%201"]);
    }

    [Fact]
    public async Task A_limit_ends_the_reading()
    {
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /instances", new Page<Instance>([Samples.Instance("a")], "more"), WireJson.Default.PageInstance);
        (await CliRig.RunAsync(daemon, "list", "-q", "--limit", "1")).Out.ShouldBe("a\n");
        daemon.Requests.Single().Query.ShouldBe("?limit=1");
    }

    [Fact]
    public async Task Logs_go_raw_into_a_pipe_and_safe_onto_a_terminal()
    {
        await using var daemon = await GivenDaemonAsync();
        (await CliRig.RunAsync(daemon, "logs", "web1", "--tail", "4KiB")).Out.ShouldBe("[    0.0] Linux\r\n\u001b[32mok\u001b[0m \u001b]0;owned\u0007\n");
        daemon.Requests.Last().Query.ShouldBe("?tail=4096");
        (await new CliRig { Socket = daemon.Socket, OutIsTerminal = true }.RunAsync("logs", "web1")).Out.ShouldBe("[    0.0] Linux\nok \\x1b]0;owned\\x07\n");
    }

    [Fact]
    public async Task Nothing_a_guest_wrote_reaches_the_terminal_as_a_control_character()
    {
        var evil = "a\u001b[2J\u0007\u202e\u009b\n\u200b";
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /instances", new Page<Instance>([Samples.Instance() with { Image = evil, Driver = evil }], null), WireJson.Default.PageInstance)
            .On("GET /instances/web1", Samples.Instance() with { StateReason = evil, Description = evil, Labels = new Dictionary<string, string> { [evil] = evil } }, WireJson.Default.Instance)
            .On("GET /system/doctor", new DoctorReport([new(evil, CheckLevel.Failed, evil, evil)]), WireJson.Default.DoctorReport)
            .Refuses("GET /images", Refusal.Invalid("x.y", evil, evil));
        string[][] commands = [["list"], ["info", "web1"], ["doctor"], ["image", "list"]];
        foreach (var command in commands)
        {
            var result = await CliRig.RunAsync(daemon, command);
            (result.Out + result.Error).Where(c => c != '\n' && (char.IsControl(c) || char.GetUnicodeCategory(c) == System.Globalization.UnicodeCategory.Format)).ShouldBeEmpty();
            (result.Out + result.Error).ShouldContain("a\\x1b[2J\\x07\\u202e\\x9b\\n\\u200b");
        }
    }
}
