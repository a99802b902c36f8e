using System.Net.Sockets;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Instances;

/// <summary>What the make of a machine must keep to, each fault by its JSON path.</summary>
internal static partial class MachineRules
{
    /// <param name="cpus">Null takes the default, 1.</param>
    public static IEnumerable<Fault> Faults(Machine machine, int? cpus, Boot? boot, HostFacts host) =>
    [
        .. OfCpu(machine.Cpu, cpus ?? 1, host),
        .. OfMemory(machine.Memory),
        .. TooMany(machine),
        .. OfVolumes(machine.Volumes ?? []),
        .. OfNics(machine.Nics ?? []),
        .. OfOrder(boot?.Order, [.. (machine.Volumes ?? []).Select(v => v.Name), .. (machine.Nics ?? []).Select(n => n.Name), MachinePlan.RootVolume]),
    ];

    /// <summary>Lists so long that one should not even look through them.</summary>
    public static IEnumerable<Fault> TooMany(Machine machine)
    {
        if (machine.Volumes?.Count > Limits.Volumes)
        {
            yield return new("$.volumes", $"{machine.Volumes.Count} are more than {Limits.Volumes}");
        }

        if (machine.Nics?.Count > Limits.Nics)
        {
            yield return new("$.nics", $"{machine.Nics.Count} are more than {Limits.Nics}");
        }
    }

    private static IEnumerable<Fault> OfCpu(CpuOptions? cpu, int cpus, HostFacts host)
    {
        if (cpu is null)
        {
            yield break;
        }

        if (cpu.Model is { } model && !CpuModel().IsMatch(model))
        {
            yield return new("$.cpu.model", "a model has 1 to 64 of A-Z, a-z, 0-9, '-', '_', '.', and features behind it as in 'max,-avx512f' or 'EPYC,+x2apic'");
        }

        foreach (var (name, value) in ((string, int?)[])[("sockets", cpu.Sockets), ("cores", cpu.Cores), ("threads", cpu.Threads)])
        {
            if (value is < 1 or > Limits.MaxCpus)
            {
                yield return new($"$.cpu.{name}", $"{value} is not from 1 to {Limits.MaxCpus}");
            }
        }

        if ((cpu.Sockets ?? cpu.Cores ?? cpu.Threads) is not null && (long)(cpu.Sockets ?? 1) * (cpu.Cores ?? 1) * (cpu.Threads ?? 1) != cpus)
        {
            yield return new("$.cpu", $"sockets × cores × threads is {(long)(cpu.Sockets ?? 1) * (cpu.Cores ?? 1) * (cpu.Threads ?? 1)}, and the number of CPUs is {cpus}");
        }

        if (cpu.Pinning is { } pinning)
        {
            if (pinning.Count > cpus)
            {
                yield return new("$.cpu.pinning", $"it has {pinning.Count} entries for {cpus} CPUs");
            }

            foreach (var (number, list) in pinning.Index())
            {
                if (CpuList.TryParse(list) is not { } wanted)
                {
                    yield return new($"$.cpu.pinning[{number}]", "it is no list of CPUs such as '2' or '0-3,8'");
                }
                else if (wanted[^1] >= host.Cpus)
                {
                    yield return new($"$.cpu.pinning[{number}]", $"this node has no CPU {wanted[^1]}; its last is {host.Cpus - 1}");
                }
            }
        }

        if (cpu.LimitPercent is < 1 or > 100 * Limits.MaxCpus)
        {
            yield return new("$.cpu.limitPercent", $"{cpu.LimitPercent} is not from 1 to {100 * Limits.MaxCpus}");
        }

        if (cpu.Weight is < 1 or > 10_000)
        {
            yield return new("$.cpu.weight", $"{cpu.Weight} is not from 1 to 10000");
        }
    }

    private static IEnumerable<Fault> OfMemory(MemoryOptions? memory)
    {
        if (memory?.HugePageBytes is { } size and not (2 * Limits.MiB or 1024 * Limits.MiB))
        {
            yield return new("$.memory.hugePageBytes", $"{size} is neither 2 MiB (2097152) nor 1 GiB (1073741824)");
        }

        if (memory?.Numa is { } numa && CpuList.TryParse(numa.Nodes) is var nodes && (nodes is null || nodes.Any(n => !Directory.Exists($"/sys/devices/system/node/node{n}"))))
        {
            yield return new("$.memory.numa.nodes", nodes is null ? "it is no list of NUMA nodes such as '0' or '0-1'" : "this node does not have all of these NUMA nodes");
        }
    }

    private static IEnumerable<Fault> OfVolumes(IReadOnlyList<Volume> volumes)
    {
        foreach (var (number, volume) in volumes.Index())
        {
            var at = $"$.volumes[{number}]";
            foreach (var fault in (IEnumerable<Fault>)[.. TextRules.Name($"{at}.name", volume.Name, Limits.VolumeNameLength), .. TextRules.Path($"{at}.path", volume.Path)])
            {
                yield return fault;
            }

            if (volumes.Take(number).Any(v => v.Name == volume.Name))
            {
                yield return new($"{at}.name", $"there is another volume '{volume.Name}'");
            }

            var disc = volume.Device == VolumeDevice.Cdrom;
            foreach (var fault in PoolVolumeRules.Size($"{at}.sizeBytes", volume.SizeBytes))
            {
                yield return fault;
            }

            if (disc && (volume.SizeBytes ?? (object?)volume.Pool ?? (object?)volume.Cache ?? volume.Limits) is not null)
            {
                yield return new(at, "a drive for discs takes no pool, size, cache or limits");
            }

            if (disc && volume.Bus is VolumeBus.Virtio or VolumeBus.Nvme)
            {
                yield return new($"{at}.bus", "a drive for discs is on sata or scsi");
            }

            if (disc && new[] { (object?)volume.Image, volume.Path, volume.Generated }.Count(content => content is not null) > 1)
            {
                yield return new(at, "a disc is an image, a file or a generated one, and only one of them");
            }

            if (!disc && volume.Generated is not null)
            {
                yield return new($"{at}.generated", "only a drive for discs shows a generated one");
            }
            else if (volume.Generated is not null && volumes.Take(number).Any(v => v.Generated == volume.Generated))
            {
                yield return new($"{at}.generated", "another drive shows it");
            }

            if (!disc && volume.Path is not null)
            {
                yield return new($"{at}.path", "only a drive for discs shows a file of the node; give a disk an image");
            }

            foreach (var fault in OfLimits($"{at}.limits", volume.Limits))
            {
                yield return fault;
            }
        }

        if (volumes.Count(IsOnSata) > SataPorts)
        {
            yield return new("$.volumes", $"more than {SataPorts} are on sata");
        }
    }

    /// <summary>
    /// Whether it is the disk a machine boots from: for its firmware the first in the order that is said, or else the first of all; where its kernel is given,
    /// the one with its system: <c>root</c>, or what began as an image.
    /// </summary>
    public static bool IsBootDisk(InstanceSpec spec, string volume)
    {
        var disks = (spec.Volumes ?? []).Where(v => v.Device == VolumeDevice.Disk).ToList();
        return spec.Firmware == Firmware.Direct ? volume == (disks.Find(v => v.Name == MachinePlan.RootVolume) ?? disks.Find(v => v.Image is not null))?.Name
            : volume == ((spec.BootOrder ?? []).FirstOrDefault(name => disks.Exists(d => d.Name == name)) ?? disks.FirstOrDefault()?.Name);
    }

    public const int SataPorts = 6;

    public static bool IsOnSata(Volume volume) => volume.Bus == VolumeBus.Sata || (volume.Bus is null && volume.Device == VolumeDevice.Cdrom);

    private const long MostPerSecond = 1_000_000_000_000;

    /// <summary>One that is added by itself.</summary>
    public static IEnumerable<Fault> Faults(Volume volume) => OfVolumes([volume]).Select(f => f with { Path = f.Path.Replace("$.volumes[0]", "$", StringComparison.Ordinal) });

    public static IEnumerable<Fault> Faults(AddVolume add) =>
    [
        .. Faults((Volume)add),
        .. add.Volume is not null && (add.Device == VolumeDevice.Cdrom || (add.SizeBytes ?? (object?)add.Image ?? (object?)add.Path ?? add.Generated) is not null)
            ? (Fault[])[new("$.volume", "one that is there has its own size and content, and is a disk")] : [],
    ];

    public static IEnumerable<Fault> Faults(ChangeVolume change) => [.. PoolVolumeRules.Size("$.sizeBytes", change.SizeBytes), .. OfLimits("$.limits", change.Limits)];

    private static IEnumerable<Fault> OfLimits(string at, VolumeLimits? limits) =>
        from limit in ((string Name, long? Value)[])
            [("readBytesPerSecond", limits?.ReadBytesPerSecond), ("writeBytesPerSecond", limits?.WriteBytesPerSecond),
             ("readOperationsPerSecond", limits?.ReadOperationsPerSecond), ("writeOperationsPerSecond", limits?.WriteOperationsPerSecond)]
        where limit.Value is < 1 or > MostPerSecond
        select new Fault($"{at}.{limit.Name}", $"{limit.Value} is not from 1 to {MostPerSecond}");

    /// <summary>One that is added by itself.</summary>
    public static IEnumerable<Fault> Faults(Nic nic) => OfNics([nic]).Select(f => f with { Path = f.Path.Replace("$.nics[0]", "$", StringComparison.Ordinal) });

    public static IEnumerable<Fault> Faults(ChangeNic change) => OfLimits("$.limits", change.Limits);

    private static IEnumerable<Fault> OfLimits(string at, NicLimits? limits) =>
        from limit in ((string Name, long? Value)[])[("receiveBytesPerSecond", limits?.ReceiveBytesPerSecond), ("sendBytesPerSecond", limits?.SendBytesPerSecond)]
        where limit.Value is < Limits.MinNicBytesPerSecond or > Limits.MaxNicBytesPerSecond
        select new Fault($"{at}.{limit.Name}", $"{limit.Value} is not from {Limits.MinNicBytesPerSecond} to {Limits.MaxNicBytesPerSecond}");

    private static IEnumerable<Fault> OfAddress(string at, string? address, AddressFamily family) =>
        address is null || (Subnet.TryParseAddress(address, out var parsed) && parsed.AddressFamily == family) ? []
            : [new(at, family == AddressFamily.InterNetwork ? "it is no IPv4 address" : "it is no IPv6 address")];

    private static IEnumerable<Fault> OfNics(IReadOnlyList<Nic> nics)
    {
        foreach (var (number, nic) in nics.Index())
        {
            foreach (var fault in TextRules.Name($"$.nics[{number}].name", nic.Name, Limits.NicNameLength))
            {
                yield return fault;
            }

            foreach (var fault in (IEnumerable<Fault>)
            [
                .. nic.Network is null ? [] : TextRules.Name($"$.nics[{number}].network", nic.Network),
                .. OfAddress($"$.nics[{number}].address", nic.Address, AddressFamily.InterNetwork),
                .. OfAddress($"$.nics[{number}].address6", nic.Address6, AddressFamily.InterNetworkV6),
                .. OfLimits($"$.nics[{number}].limits", nic.Limits),
            ])
            {
                yield return fault;
            }

            if (nics.Take(number).Any(n => n.Name == nic.Name))
            {
                yield return new($"$.nics[{number}].name", $"there is another NIC '{nic.Name}'");
            }

            if (nic.Mac is { } mac && !(Mac().IsMatch(mac) && (Convert.ToInt32(mac[..2], 16) & 1) == 0))
            {
                yield return new($"$.nics[{number}].mac", "it is no address of one card such as 52:54:00:12:34:56");
            }
            else if (nic.Mac is not null && nics.Take(number).Any(n => string.Equals(n.Mac, nic.Mac, StringComparison.OrdinalIgnoreCase)))
            {
                yield return new($"$.nics[{number}].mac", "another NIC has the same");
            }
        }
    }

    private static IEnumerable<Fault> OfOrder(IReadOnlyList<string>? order, IReadOnlyList<string> names) =>
        (order ?? []).Index().Where(o => !names.Contains(o.Item) || order!.Take(o.Index).Contains(o.Item))
            .Select(o => new Fault($"$.boot.order[{o.Index}]", names.Contains(o.Item) ? "it is there twice" : "there is no volume or NIC of that name"));

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,64}(,[+-][A-Za-z0-9._-]{1,32}){0,64}\z")]
    private static partial Regex CpuModel();

    [GeneratedRegex(@"\A([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\z")]
    private static partial Regex Mac();
}
