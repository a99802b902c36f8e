using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli.Tests;

/// <summary>What a daemon would answer.</summary>
internal static class Samples
{
    public static readonly Id<Operation> OperationId = Id<Operation>.Parse("0198c0de-0000-7000-8000-000000000001");

    public static Instance Instance(string name = "web1", InstanceState state = InstanceState.Running) => new()
    {
        Id = Id<Instance>.Parse("0198c0de-0000-7000-8000-0000000000aa"),
        Name = name,
        Kind = InstanceKind.Microvm,
        Driver = "qemu",
        Image = "micro",
        Node = "node1",
        Cpus = 2,
        MemoryBytes = 128 * Limits.MiB,
        Description = "the front",
        Labels = new Dictionary<string, string> { ["tier"] = "front", ["a"] = "yes" },
        Boot = new Boot { Firmware = Firmware.Direct, CommandLine = "quiet" },
        State = state,
        StateSince = CliRig.Now.AddMinutes(-5),
        Observed = new Observed(4711, 301.5, "tcg"),
        CreatedAt = CliRig.Now.AddDays(-3),
        UpdatedAt = CliRig.Now.AddMinutes(-5),
        Etag = "7",
    };

    public static Operation Operation(OperationState state = OperationState.Running, string kind = "instance.start", string target = "web1") => new()
    {
        Id = OperationId,
        Kind = kind,
        Target = "instances/0198c0de-0000-7000-8000-0000000000aa",
        TargetName = target,
        State = state,
        Step = "start the driver",
        CreatedBy = "root",
        RequestId = "req-1",
        CreatedAt = CliRig.Now.AddSeconds(-12),
        StartedAt = CliRig.Now.AddSeconds(-11),
        FinishedAt = state is OperationState.Running or OperationState.Queued ? null : CliRig.Now.AddSeconds(-2),
        Error = state == OperationState.Failed ? Problem.From(Refusal.Unavailable("driver.died", "QEMU ended at once: no such kernel.", "Check --kernel."), null) : null,
    };

    public static Image Image(string name = "micro") => new()
    {
        Id = Id<Image>.Parse("0198c0de-0000-7000-8000-0000000000bb"),
        Name = name,
        State = ImageState.Ready,
        DefaultKind = InstanceKind.Microvm,
        Description = "Debian's kernel and busybox",
        SizeBytes = 12_900_000,
        Sha256 = new Dictionary<string, string> { ["vmlinux"] = new('a', 64), ["initrd"] = new('b', 64) },
        Source = "recipe micro",
        CreatedAt = CliRig.Now.AddHours(-2),
        UpdatedAt = CliRig.Now.AddHours(-2),
        Etag = "\"2\"",
    };

    public static Template Template(string name = "web") => new()
    {
        Id = Id<Template>.Parse("0198c0de-0000-7000-8000-0000000000dd"),
        Name = name,
        Description = "our front",
        BuiltIn = false,
        Base = "linux",
        Settings = new()
        {
            Kind = InstanceKind.Vm,
            Cpus = 2,
            MemoryBytes = 1L << 30,
            Labels = new Dictionary<string, string> { ["tier"] = "front" },
            Boot = new() { Order = ["root", "eth0"] },
            Volumes = [new() { Name = "root", SizeBytes = 20L << 30, Limits = new() { ReadBytesPerSecond = 100 << 20 } }, new() { Name = "spare" }],
            Nics = [new() { Name = "eth0", Model = NicModel.Virtio }],
        },
        Origins = new Dictionary<string, string>
        {
            ["$.kind"] = "built-in linux",
            ["$.cpus"] = "template web",
            ["$.memoryBytes"] = "built-in linux",
            ["$.labels.tier"] = "template web",
            ["$.boot.order"] = "template web",
            ["$.volumes[0].name"] = "template web",
            ["$.volumes[0].sizeBytes"] = "template web",
            ["$.volumes[0].limits.readBytesPerSecond"] = "template web",
            ["$.volumes[1].name"] = "template web",
            ["$.nics[0].name"] = "built-in linux",
            ["$.nics[0].model"] = "built-in linux",
        },
        Least = new(1, 1L << 29),
        CreatedAt = CliRig.Now.AddDays(-1),
        UpdatedAt = CliRig.Now.AddHours(-1),
        Etag = "\"7\"",
    };

    public static Network Network(string name = "default", NetworkKind kind = NetworkKind.Nat) => new()
    {
        Id = Id<Network>.Parse("0198c0de-0000-7000-8000-0000000000ee"),
        Name = name,
        Description = "the front",
        Labels = new Dictionary<string, string> { ["tier"] = "front" },
        Kind = kind,
        Device = "gb-0000000001",
        Ipv4 = "10.77.0.1/24",
        Ipv6 = kind == NetworkKind.Isolated ? null : "fd42:1::1/64",
        Ipv6Mode = Ipv6Mode.Dhcp,
        Domain = $"{name}.gantry",
        HostAccess = false,
        Defaults = new(PolicyAction.Deny),
        Status = kind == NetworkKind.Nat ? new(true) : new(false, "dnsmasq does not run"),
        CreatedAt = CliRig.Now.AddDays(-2),
        UpdatedAt = CliRig.Now.AddDays(-1),
        Etag = "\"3\"",
    };

    public static Snapshot Snapshot(string name, string? parent = null, InstanceState state = InstanceState.Stopped, bool current = false) => new()
    {
        Id = Id<Snapshot>.Parse("0198c0de-0000-7000-8000-0000000000dd"),
        Name = name,
        Instance = Instance().Id,
        Parent = parent,
        Current = current,
        State = state,
        Level = state == InstanceState.Stopped ? null : SnapshotLevel.Crash,
        SizeBytes = 5 * Limits.MiB,
        CreatedAt = CliRig.Now.AddHours(-2),
        Etag = "\"1\"",
    };

    public static Policy Policy() => new()
    {
        Name = "web-in",
        Description = "who reaches the front",
        AppliesTo = new(new Dictionary<string, string> { ["app"] = "web" }),
        Isolates = [PolicyDirection.In],
        Rules =
        [
            new() { Direction = PolicyDirection.In, Action = PolicyAction.Allow, Ports = [new(PolicyProtocol.Tcp, "80")], Peers = [new("10.0.0.0/8", ["10.9.0.0/16"])] },
            new() { Direction = PolicyDirection.Out, Action = PolicyAction.Deny, Peers = [new(Instances: new(new Dictionary<string, string> { ["app"] = "db" }))], Log = true, Description = "never" },
        ],
    };

    public static string Event(long seq, string type = "instance.started") => JsonSerializer.Serialize(
        new Event(seq, CliRig.Now, type.Split('.')[0], type, "instances/web1", "root", "req-1", null), WireJson.Default.Event);

    public static string Json(Instance instance) => JsonSerializer.Serialize(instance, WireJson.Default.Instance);
}
