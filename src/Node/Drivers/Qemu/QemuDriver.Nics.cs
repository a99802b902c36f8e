using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Networks;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    private static readonly TimeSpan NicGoesWithin = TimeSpan.FromSeconds(30);

    public Task<NicChange?> PlugNicAsync(Id<Instance> id, string nic, CancellationToken ct) => ChangeNicAsync(id, async (guest, spec) =>
    {
        var wanted = Demand(spec, nic);
        if ((await PluggedAsync(guest, ct)).Contains(QemuNics.Device(nic)))
        {
            return await _taps.IsPulledAsync(id, nic, ct) ? NicReasons.Held : null;
        }

        if (spec.Kind != InstanceKind.Vm)
        {
            return NicReasons.NoPlug;
        }

        var platform = QemuPlatform.Of(spec, _host.Facts.Guest);
        var port = platform.HasPorts ? await FreePortAsync(guest, QemuNics.Ports, QemuNics.Port, wanted.Port, ct) : null;
        return platform.HasPorts && port is null ? NicReasons.Room(QemuNics.Ports)
            : await PlugAsync(guest, id, wanted, new QemuNics(spec, platform).DeviceToAdd(wanted, port), ct);
    }, ct);

    public Task<NicChange?> UnplugNicAsync(Id<Instance> id, string nic, CancellationToken ct) => ChangeNicAsync(id, async (guest, spec) =>
    {
        if (!(await PluggedAsync(guest, ct)).Contains(QemuNics.Device(nic)))
        {
            await EndNetdevAsync(guest, id, nic, ct);
            return null;
        }

        var why = spec.Kind != InstanceKind.Vm ? NicReasons.NoUnplug
            : (await guest.QueryAsync(ct)).State == InstanceState.Paused ? NicReasons.Unanswered
            : await LetGoAsync(guest, QemuNics.Device(nic), NicGoesWithin, ct) ? null
            : NicReasons.Kept(NicGoesWithin);
        await (why is null ? EndNetdevAsync(guest, id, nic, ct) : _taps.PullAsync(id, nic, ct));
        return why;
    }, ct);

    public Task<NicChange?> LimitNicAsync(Id<Instance> id, string nic, CancellationToken ct) => ChangeNicAsync(id, async (_, spec) =>
    {
        await _taps.LimitAsync(id, Demand(spec, nic), ct);
        return null;
    }, ct);

    public Task<IReadOnlyList<NicStatistics>> NicStatisticsAsync(Id<Instance> id, CancellationToken ct) =>
        _taps.StatisticsAsync(id, node.Folders.Read(id).Nics ?? [], ct);

    private static NicSpec Demand(InstanceSpec spec, string nic) =>
        NicSpec.WithPorts(spec.Nics ?? []).SingleOrDefault(n => n.Name == nic) ?? throw NicErrors.Unknown(spec.Name, nic);

    /// <param name="change">Says why it could not be made; null when it was.</param>
    private Task<NicChange?> ChangeNicAsync(Id<Instance> id, Func<QemuGuest, InstanceSpec, Task<string?>> change, CancellationToken ct) =>
        WhileRunningAsync(id, async (guest, spec) => new NicChange(await change(guest, spec)), ct);

    private async Task<string?> PlugAsync(QemuGuest guest, Id<Instance> id, NicSpec nic, JsonObject device, CancellationToken ct)
    {
        // What is left of one whose daemon was killed half-way holds the TAP open.
        await EndNetdevAsync(guest, id, nic.Name, ct);
        try
        {
            await _taps.MakeAsync(id, [nic], ct);
            await AddNetdevAsync(guest, id, nic, ct);
            await guest.ExecuteAsync("device_add", ct, arguments: device);
            return null;
        }
        catch (Exception e)
        {
            await EndNetdevAsync(guest, id, nic.Name, CancellationToken.None);
            if (e is QmpRefused or CommandFailed or IOException)
            {
                return NicReasons.Refused(e is CommandFailed { Errors: { Length: > 0 } words } ? words.Trim() : e.Message);
            }

            throw;
        }
    }

    /// <summary>With the TAP opened here, because QEMU itself may open nothing, and sees no network.</summary>
    private async Task AddNetdevAsync(QemuGuest guest, Id<Instance> id, NicSpec nic, CancellationToken ct)
    {
        string? name = null;
        if (nic.Network is not null)
        {
            name = $"tap.{nic.Name}";
            using var tap = node.OpenTap(NetworkNames.Tap(id, nic.Name));
            await guest.ExecuteAsync("getfd", ct, arguments: new() { ["fdname"] = name }, handed: tap);
        }

        await guest.ExecuteAsync("netdev_add", ct, arguments: QemuNics.NetdevToAdd(nic, name));
    }

    /// <summary>Removes what is behind a NIC, as far as it is there.</summary>
    private async Task EndNetdevAsync(QemuGuest guest, Id<Instance> id, string nic, CancellationToken ct)
    {
        foreach (var (command, arguments) in ((string, JsonObject)[])[("netdev_del", new() { ["id"] = QemuNics.Netdev(nic) }), ("closefd", new() { ["fdname"] = $"tap.{nic}" })])
        {
            try
            {
                await guest.ExecuteAsync(command, ct, arguments: arguments);
            }
            catch (QmpRefused)
            {
                // It is not there.
            }
        }

        await _taps.RemoveAsync(id, nic);
    }
}
