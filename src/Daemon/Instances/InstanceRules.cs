using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Host;

namespace Gantry.Daemon.Instances;

/// <summary>What a body for a new instance must keep to, each fault by its JSON path.</summary>
internal static class InstanceRules
{
    public static IEnumerable<Fault> Faults(InstanceSettings body, HostFacts host)
    {
        foreach (var fault in (IEnumerable<Fault>)[
            .. OfCpus("$.cpus", body.Cpus, host), .. OfMemory("$.memoryBytes", body.MemoryBytes, body.Kind, host),
            .. OfCpus("$.maxCpus", body.MaxCpus, host), .. OfMemory("$.maxMemoryBytes", body.MaxMemoryBytes, body.Kind, host),
            .. OfNotes(body.Description, body.Labels), .. OfBoot(body.Boot), .. MachineRules.Faults(body, body.MaxCpus ?? body.Cpus, body.Boot, host), .. WindowsRules.Faults(body.Windows),
            .. CloudInitRules.Faults(body.CloudInit, body.Kind)])
        {
            yield return fault;
        }

        if (body.MaxCpus < body.Cpus)
        {
            yield return new("$.maxCpus", $"{body.MaxCpus} is less than the {body.Cpus} it gets");
        }

        if (body.MaxMemoryBytes < body.MemoryBytes)
        {
            yield return new("$.maxMemoryBytes", $"{body.MaxMemoryBytes} is less than the {body.MemoryBytes} it gets");
        }

        if (body is { Kind: InstanceKind.Microvm or InstanceKind.Container } and ({ MaxCpus: not null } or { MaxMemoryBytes: not null }))
        {
            yield return new("$", $"nothing can be plugged into a running {body.Kind.Value.ToString().ToLowerInvariant()}: leave out maxCpus and maxMemoryBytes");
        }
    }

    public static IEnumerable<Fault> Faults(ResizeInstance body, InstanceKind kind, HostFacts host) =>
        body is { Cpus: null, MemoryBytes: null }
            ? [new("$", "give cpus, memoryBytes, or both")]
            : [.. OfCpus("$.cpus", body.Cpus, host), .. OfMemory("$.memoryBytes", body.MemoryBytes, kind, host)];

    public static IEnumerable<Fault> Faults(ChangeInstance body) => OfNotes(body.Description, body.Labels);

    private static IEnumerable<Fault> OfCpus(string at, int? cpus, HostFacts host)
    {
        if (cpus is < Limits.MinCpus or > Limits.MaxCpus)
        {
            yield return new(at, $"{cpus} is not from {Limits.MinCpus} to {Limits.MaxCpus}");
        }
        else if (cpus > host.Cpus)
        {
            yield return new(at, $"{cpus} is more than this node has ({host.Cpus})");
        }
    }

    private static IEnumerable<Fault> OfMemory(string at, long? bytes, InstanceKind? kind, HostFacts host)
    {
        if (bytes is not { } memory)
        {
            yield break;
        }

        var least = kind == InstanceKind.Vm ? Limits.MinVmMemory : Limits.MinMicrovmMemory;
        if (memory < least || memory > Limits.MaxMemory)
        {
            yield return new(at, $"{memory} is not from {least / Limits.MiB} MiB to {Limits.MaxMemory / Limits.MiB} MiB");
        }
        else if (memory % Limits.MiB != 0)
        {
            yield return new(at, $"{memory} is not a multiple of 1 MiB");
        }
        else if (memory > host.MemoryBytes)
        {
            yield return new(at, $"{memory} is more than this node has ({host.MemoryBytes})");
        }
    }

    private static IEnumerable<Fault> OfNotes(string? description, IReadOnlyDictionary<string, string>? labels) =>
        [.. TextRules.Description(description), .. LabelRules.Faults(labels)];

    private static IEnumerable<Fault> OfBoot(Boot? boot) => boot is null ? [] :
    [
        .. TextRules.Path("$.boot.kernel", boot.Kernel),
        .. TextRules.Path("$.boot.initrd", boot.Initrd),
        .. TextRules.Text("$.boot.commandLine", boot.CommandLine, Limits.CommandLineLength),
    ];
}
