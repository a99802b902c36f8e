using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Node.Drivers;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>What a running QEMU has plugged in, asked of it.</summary>
/// <param name="Cpus">Their paths in QEMU's object tree, the first one first.</param>
/// <param name="Free">Sockets without a CPU, the next to be filled first.</param>
/// <param name="Plugged">Bytes of memory, whatever the guest has given back of them.</param>
/// <param name="Memory">Bytes the guest has.</param>
internal sealed record QemuSize(IReadOnlyList<string> Cpus, IReadOnlyList<QemuSocket> Free, long Plugged, long Memory)
{
    /// <exception cref="QmpFailed"/>
    public static async Task<QemuSize> ReadAsync(QemuGuest guest, CancellationToken ct)
    {
        var memory = await guest.ExecuteAsync("query-memory-size-summary", ct);
        var plugged = (memory.Number("base-memory") ?? 0) + (memory.Number("plugged-memory") ?? 0);
        var balloon = (await guest.ExecuteAsync("query-balloon", ct)).Number("actual");
        var cpus = (await guest.ExecuteAsync("query-cpus-fast", ct)).Items().Select(cpu => cpu.Text("qom-path") ?? "").ToList();
        return new(cpus, [], plugged, balloon ?? plugged);
    }

    /// <summary>The same with the sockets, which only machines have that can be plugged.</summary>
    /// <exception cref="QmpFailed"/>
    public static async Task<QemuSize> WithSocketsAsync(QemuGuest guest, CancellationToken ct)
    {
        var sockets = (await guest.ExecuteAsync("query-hotpluggable-cpus", ct)).Items().Reverse().ToList(); // QEMU names the last one first
        return await ReadAsync(guest, ct) with
        {
            Cpus = [.. sockets.Select(socket => socket.Text("qom-path")).OfType<string>()],
            Free = [.. sockets.Where(socket => socket.Text("qom-path") is null).Select(QemuSocket.Of).OfType<QemuSocket>()],
        };
    }
}

/// <summary>Where one CPU goes: its type, and the properties that name the place.</summary>
internal sealed record QemuSocket(string Type, JsonObject Place)
{
    public static QemuSocket? Of(JsonElement socket) =>
        socket.Text("type") is { } type && socket.TryGetProperty("props", out var place) && place.ValueKind == JsonValueKind.Object
            ? new(type, JsonObject.Create(place)!) : null;

    public JsonObject ToPlug()
    {
        var plug = (JsonObject)Place.DeepClone();
        var id = string.Join('-', plug.Where(p => p.Key != "node-id").OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => p.Value?.ToString()));
        (plug["driver"], plug["id"]) = (Type, $"cpu-{id}");
        return plug;
    }
}
