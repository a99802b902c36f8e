using Gantry.Contracts;

namespace Gantry.Node.Instances;

/// <summary>
/// A copy of a disk has its source's <c>/etc/machine-id</c> (machine-id(5)), by which DHCP servers, journals and licences tell machines apart. This part
/// of the vendor-data notes in the guest whose id it is, and gives a guest that finds another's note a new one, early in its start
/// (https://cloudinit.readthedocs.io/en/22.4.2/topics/format.html#cloud-boothook). It acts at every start and changes nothing but once.
/// </summary>
internal static class MachineIdHook
{
    /// <param name="id">Of the instance that has the disk now.</param>
    public static string For(Id<Instance> id) => $$"""
        #cloud-boothook
        #!/bin/sh
        note=/var/lib/cloud/data/gantry-instance
        if [ -s /etc/machine-id ] && [ -s "$note" ] && [ "$(cat "$note")" != {{id}} ]; then
            tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id.new &&
            chmod 0444 /etc/machine-id.new &&
            mv /etc/machine-id.new /etc/machine-id || exit 1
            if [ -e /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then cp /etc/machine-id /var/lib/dbus/machine-id; fi
            if [ -d /run/systemd/system ]; then systemctl --no-block try-restart systemd-journald.service; fi
        fi
        echo {{id}} >"$note"

        """;
}
