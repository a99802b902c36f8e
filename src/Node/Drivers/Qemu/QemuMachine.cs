using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// Which machine a QEMU is, as far as the stream of a migration wants another to be like it
/// (https://www.qemu.org/docs/master/devel/migration/main.html): processors, memory, and each device with its place. What was plugged in or
/// pulled out since the start counts, so a running one is asked.
/// </summary>
internal static class QemuMachine
{
    private const string Machine = "-machine", ObjectOption = "-object", DeviceOption = "-device", Dimm = "pc-dimm", PortDevice = "pcie-root-port", Firmware = "firmware";

    /// <summary>What is taken over as it was told then.</summary>
    private static readonly HashSet<string> Settled = [Machine, "-cpu", "-smp", "-m", "-rtc"];

    /// <exception cref="QmpFailed"/>
    public static async Task<SavedMachine> ReadAsync(QemuGuest guest, QemuStart start, CancellationToken ct)
    {
        var size = await QemuSize.ReadAsync(guest, ct);
        var type = (await guest.ExecuteAsync("qom-get", ct, arguments: new() { ["path"] = "/machine", ["property"] = "type" })).ToString();
        var version = (await guest.ExecuteAsync("query-version", ct)).TryGetProperty("qemu", out var parts) ? $"{parts.Number("major")}.{parts.Number("minor")}.{parts.Number("micro")}" : "?";
        return new(version, start.Accelerator, size.Plugged, [.. SettingsOf(start.Arguments, type), .. await CpusAsync(guest, ct), .. await DimmsAsync(guest, ct)], await DevicesAsync(guest, start, ct));
    }

    /// <summary>How one is started that is to go on from the memory of another, where it would be started otherwise.</summary>
    /// <param name="path">The file of the memory, which QEMU reads from a descriptor.</param>
    public static QemuStart Loading(QemuStart start, SavedMachine saved, string path)
    {
        var number = (start.Files ?? []).Select(f => f.Number).Concat((start.Taps ?? []).Select(t => t.Number)).Concat((start.Sockets ?? []).Select(s => s.Number)).Append(QemuFiles.Tpm).Max() + 1;
        List<string> arguments = [];
        foreach (var (option, value) in Pairs(start.Arguments))
        {
            if (!IsSettled(option, value))
            {
                arguments.Add(option);
                if (value is not null)
                {
                    arguments.Add(option == DeviceOption ? InPlace(value, saved) : value);
                }
            }
        }

        var (first, last) = (saved.Settings.Chunk(2).Where(s => s[0] != DeviceOption), saved.Settings.Chunk(2).Where(s => s[0] == DeviceOption));
        return start with
        {
            Arguments = [.. first.SelectMany(s => s), .. arguments, .. last.SelectMany(s => s), "-incoming", string.Create(CultureInfo.InvariantCulture, $"fd:{number}")],
            Files = [.. start.Files ?? [], new(number, path, Writable: false)],
            Loads = path,
            MaxMemoryBytes = Math.Max(start.MaxMemoryBytes ?? 0, saved.MemoryBytes),
        };
    }

    /// <summary>Why one that would be started so could not go on from the memory of another; null when it can be tried.</summary>
    public static string? WhyNot(QemuStart start, SavedMachine saved)
    {
        if (saved.Accelerator != start.Accelerator)
        {
            return $"it ran under {saved.Accelerator}, and this node runs it under {start.Accelerator}";
        }

        var now = DevicesOf(start.Arguments);
        foreach (var id in now.Keys.Union(saved.Devices.Keys).Order(StringComparer.Ordinal))
        {
            var (then, today) = (saved.Devices.GetValueOrDefault(id), now.GetValueOrDefault(id));
            var why = (then, today) switch
            {
                (null, _) => $"it did not have {Named(id)} then",
                (_, null) => $"it had {Named(id)} then",
                _ when then.Type != today.Type => $"{Named(id)} was {then.Type} then and is {today.Type} now",
                _ when (then.Bus is null) != (today.Bus is null) => $"{Named(id)} was plugged in elsewhere then",
                _ when then.Mac != today.Mac => $"{Named(id)} had the address {then.Mac} then and has {today.Mac} now",
                _ => null,
            };
            if (why is not null)
            {
                return why;
            }
        }

        return null;
    }

    private static IEnumerable<string> SettingsOf(IReadOnlyList<string> arguments, string type)
    {
        foreach (var (option, value) in Pairs(arguments).Where(a => IsSettled(a.Option, a.Value)))
        {
            yield return option;
            var words = value!.Split(',');
            yield return option switch
            {
                // The name of this very version of the machine: another QEMU may mean a newer one by the short one.
                Machine => string.Join(',', words.Skip(1).Prepend(type.EndsWith("-machine", StringComparison.Ordinal) ? type[..^"-machine".Length] : words[0])),
                _ => value,
            };
        }
    }

    /// <summary>Processors that were plugged in since the start. Disks have as many queues as there were processors at the start, so that stays what it was.</summary>
    private static async Task<List<string>> CpusAsync(QemuGuest guest, CancellationToken ct)
    {
        List<string> all = [];
        try
        {
            foreach (var socket in (await guest.ExecuteAsync("query-hotpluggable-cpus", ct)).Items().Reverse())
            {
                if (socket.Text("qom-path")?.StartsWith("/machine/peripheral/", StringComparison.Ordinal) == true && QemuSocket.Of(socket)?.ToPlug() is { } plug)
                {
                    all.AddRange([DeviceOption, string.Join(',', plug.Where(p => p.Key != "driver").Select(p => $"{p.Key}={p.Value}").Prepend($"{plug["driver"]}"))]);
                }
            }
        }
        catch (QmpRefused)
        {
            // A microVM has no sockets.
        }

        return all;
    }

    /// <summary>Memory that was plugged in since the start.</summary>
    private static async Task<List<string>> DimmsAsync(QemuGuest guest, CancellationToken ct)
    {
        List<string> all = [];
        foreach (var device in (await guest.ExecuteAsync("query-memory-devices", ct)).Items())
        {
            if (device.TryGetProperty("data", out var data) && data.Text("id") is { } id && data.Text("memdev")?.Split('/')[^1] is { } memory && data.Number("size") is { } size)
            {
                all.AddRange([ObjectOption, new JsonObject { ["qom-type"] = "memory-backend-ram", ["id"] = memory, ["size"] = size }.ToJsonString()]);
                all.AddRange([DeviceOption, string.Create(CultureInfo.InvariantCulture, $"{Dimm},id={id},memdev={memory},slot={data.Number("slot")},addr={data.Number("addr")}")]);
            }
        }

        return all;
    }

    private static async Task<Dictionary<string, SavedDevice>> DevicesAsync(QemuGuest guest, QemuStart start, CancellationToken ct)
    {
        // What has no name cannot be pulled out, so it is as it was at the start.
        var started = DevicesOf(start.Arguments);
        var all = started.Where(d => d.Key == Firmware || d.Key == d.Value.Type).ToDictionary();
        foreach (var child in (await guest.ExecuteAsync("qom-list", ct, arguments: new() { ["path"] = "/machine/peripheral" })).Items())
        {
            if (child.Text("name") is not { } id || child.Text("type") is not { } type || !type.StartsWith("child<", StringComparison.Ordinal) || type["child<".Length..^1] is Dimm or PortDevice || IsCpu(id))
            {
                continue;
            }

            var name = type["child<".Length..^1];
            var isNic = id.StartsWith(QemuNics.Device(""), StringComparison.Ordinal);
            var bus = (await GetAsync("parent_bus"))?.Split('/')[^1];
            all[id] = new(
                name, bus is not null && IsOurs(bus) ? bus : null, isNic ? await GetAsync("mac") : null,
                HasRom: isNic && (started.GetValueOrDefault(id)?.HasRom ?? false) && await GetAsync("romfile") is { Length: > 0 });

            async Task<string?> GetAsync(string property)
            {
                var value = await guest.ExecuteAsync("qom-get", ct, arguments: new() { ["path"] = $"/machine/peripheral/{id}", ["property"] = property });
                return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
            }
        }

        return all;
    }

    private static Dictionary<string, SavedDevice> DevicesOf(IReadOnlyList<string> arguments)
    {
        var firmware = arguments.Any(a => a.Contains("uefi.code", StringComparison.Ordinal)) ? arguments.Any(a => a.StartsWith("driver=cfi.pflash01", StringComparison.Ordinal)) ? "secure boot" : "UEFI" : "BIOS";
        var all = new Dictionary<string, SavedDevice> { [Firmware] = new(firmware) };
        foreach (var words in Pairs(arguments).Where(a => a.Option == DeviceOption).Select(a => a.Value!.Split(',')).Where(w => w[0] is not (PortDevice or Dimm)))
        {
            string? Word(string name) => words.FirstOrDefault(w => w.StartsWith($"{name}=", StringComparison.Ordinal))?[(name.Length + 1)..];

            all[Word("id") ?? words[0]] = new(words[0], Word("bus"), Word("mac"), HasRom: Word("netdev") is not null && Word("romfile") is null && !IsWithoutRom(words[0]));
        }

        return all;
    }

    /// <summary>On the bus it was on, with a ROM where it had one.</summary>
    private static string InPlace(string device, SavedMachine saved)
    {
        var words = device.Split(',');
        if (words.FirstOrDefault(w => w.StartsWith("id=", StringComparison.Ordinal)) is not { } id || !saved.Devices.TryGetValue(id["id=".Length..], out var then))
        {
            return device;
        }

        var placed = words.Select(w => then.Bus is { } bus && w.StartsWith("bus=", StringComparison.Ordinal) ? $"bus={bus}" : w);
        return string.Join(',', IsWithoutRom(words[0]) || !words.Any(w => w.StartsWith("netdev=", StringComparison.Ordinal)) ? placed
            : then.HasRom ? placed.Where(w => w != "romfile=") : placed.Where(w => w != "romfile=").Append("romfile="));
    }

    private static bool IsSettled(string option, string? value) =>
        Settled.Contains(option) || (option == ObjectOption && value is not null && JsonNode.Parse(value)?["id"]?.ToString() is "ram");

    /// <summary>Options with their values; one without a value has null.</summary>
    private static IEnumerable<(string Option, string? Value)> Pairs(IReadOnlyList<string> arguments)
    {
        for (var at = 0; at < arguments.Count; at++)
        {
            var (option, value) = (arguments[at], at + 1 < arguments.Count && !arguments[at + 1].StartsWith('-') ? arguments[at + 1] : null);
            yield return (option, value);
            at += value is null ? 0 : 1;
        }
    }

    /// <summary>What is not on PCI, as in a microVM, has no place for a ROM.</summary>
    private static bool IsWithoutRom(string type) => type.EndsWith("-device", StringComparison.Ordinal);

    private static bool IsCpu(string id) => id.StartsWith("cpu-", StringComparison.Ordinal);

    private static bool IsOurs(string bus) =>
        bus.StartsWith("slot.", StringComparison.Ordinal) || bus.StartsWith("plug.", StringComparison.Ordinal) || bus.StartsWith("ports.", StringComparison.Ordinal) || bus.StartsWith("sata.", StringComparison.Ordinal) || bus.StartsWith("scsi.", StringComparison.Ordinal);

    private static string Named(string id) => id.Split('.', 2) switch
    {
        ["volume", var name] => $"the disk '{name}'",
        ["nic", var name] => $"the NIC '{name}'",
        [Firmware] => "its firmware",
        _ => $"the device {id}",
    };
}
