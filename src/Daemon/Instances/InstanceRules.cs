using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Daemon.Instances;

/// <summary>What a body for a new instance must keep to, each fault by its JSON path.</summary>
internal static class InstanceRules
{
    public static IEnumerable<Fault> OfName(string name)
    {
        if (!Limits.IsName(name))
        {
            yield return new("$.name", $"a name has 1 to {Limits.NameLength} of a-z, 0-9 and '-', and neither begins nor ends with '-'");
        }
    }

    public static IEnumerable<Fault> Faults(InstanceSettings body, HostFacts host)
    {
        if (body.Cpus is < Limits.MinCpus or > Limits.MaxCpus)
        {
            yield return new("$.cpus", $"{body.Cpus} is not from {Limits.MinCpus} to {Limits.MaxCpus}");
        }
        else if (body.Cpus > host.Cpus)
        {
            yield return new("$.cpus", $"{body.Cpus} is more than this node has ({host.Cpus})");
        }

        if (body.MemoryBytes is { } memory)
        {
            var least = body.Kind == InstanceKind.Vm ? Limits.MinVmMemory : Limits.MinMicrovmMemory;
            if (memory < least || memory > Limits.MaxMemory)
            {
                yield return new("$.memoryBytes", $"{memory} is not from {least / Limits.MiB} MiB to {Limits.MaxMemory / Limits.MiB} MiB");
            }
            else if (memory % Limits.MiB != 0)
            {
                yield return new("$.memoryBytes", $"{memory} is not a multiple of 1 MiB");
            }
            else if (memory > host.MemoryBytes)
            {
                yield return new("$.memoryBytes", $"{memory} is more than this node has ({host.MemoryBytes})");
            }
        }

        foreach (var fault in (IEnumerable<Fault>)[.. Text("$.description", body.Description, Limits.DescriptionLength, lines: true), .. OfLabels(body.Labels), .. OfBoot(body.Boot), .. MachineRules.Faults(body, body.Cpus, body.Boot, host), .. WindowsRules.Faults(body.Windows)])
        {
            yield return fault;
        }
    }

    private static IEnumerable<Fault> OfLabels(IReadOnlyDictionary<string, string>? labels)
    {
        if (labels is null)
        {
            yield break;
        }

        if (labels.Count > Limits.Labels)
        {
            yield return new("$.labels", $"{labels.Count} are more than {Limits.Labels}");
        }

        foreach (var (key, value) in labels)
        {
            if (key.Length is < 1 or > Limits.LabelKeyLength || !key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/'))
            {
                yield return new("$.labels", $"a key has 1 to {Limits.LabelKeyLength} of A-Z, a-z, 0-9, '-', '_', '.' and '/'");
            }

            foreach (var fault in Text($"$.labels.{key}", value, Limits.LabelValueLength, lines: false))
            {
                yield return fault;
            }
        }
    }

    private static IEnumerable<Fault> OfBoot(Boot? boot) => boot is null ? [] :
    [
        .. Path("$.boot.kernel", boot.Kernel),
        .. Path("$.boot.initrd", boot.Initrd),
        .. Text("$.boot.commandLine", boot.CommandLine, Limits.CommandLineLength, lines: false),
    ];

    internal static IEnumerable<Fault> Path(string at, string? path)
    {
        foreach (var fault in Text(at, path, Limits.PathLength, lines: false))
        {
            yield return fault;
        }

        if (path is not null && (!path.StartsWith('/') || path.Split('/').Any(part => part is ".." or ".")))
        {
            yield return new(at, "a path is absolute and has no '.' or '..' in it");
        }
    }

    internal static IEnumerable<Fault> Text(string at, string? text, int longest, bool lines)
    {
        if (text?.Length > longest)
        {
            yield return new(at, $"it has {text.Length} characters; {longest} are allowed");
        }

        if (text?.Any(c => char.IsControl(c) && !(lines && c is '\n' or '\t')) == true)
        {
            yield return new(at, "it has a control character in it");
        }
    }
}
