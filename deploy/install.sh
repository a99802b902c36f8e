#!/bin/sh
# Installs what `sudo ./dev build` made: as the system's daemon, or under $DESTDIR for a package. Run again, it upgrades;
# guests go on through it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
built=$here/../artifacts/dev/$(cat "$here/../artifacts/dev/current" 2>/dev/null || echo none)
into=${DESTDIR:-}

[ -x "$built/daemon/gantryd" ] || { echo "install.sh: there is no build yet: sudo ./dev build" >&2; exit 1; }
[ -n "$into" ] || [ "$(id -u)" = 0 ] || { echo "install.sh: run it with sudo, or set DESTDIR" >&2; exit 1; }

# Beside the old one and then in its place: a running daemon keeps the files it has open.
mkdir -p "$into/usr/lib/gantry" "$into/usr/bin"
rm -rf "$into/usr/lib/gantry/daemon.new" "$into/usr/lib/gantry/daemon.old"
cp -r "$built/daemon" "$into/usr/lib/gantry/daemon.new"
[ ! -d "$into/usr/lib/gantry/daemon" ] || mv "$into/usr/lib/gantry/daemon" "$into/usr/lib/gantry/daemon.old"
mv "$into/usr/lib/gantry/daemon.new" "$into/usr/lib/gantry/daemon"
rm -rf "$into/usr/lib/gantry/daemon.old"
install -m 755 "$built/cli/gantry" "$into/usr/bin/gantry"
install -D -m 644 "$here/gantryd.service" "$into/usr/lib/systemd/system/gantryd.service"
install -D -m 644 "$here/gantry.sysusers" "$into/usr/lib/sysusers.d/gantry.conf"
install -D -m 644 "$here/gantry.tmpfiles" "$into/usr/lib/tmpfiles.d/gantry.conf"
install -D -m 644 "$here/apparmor/gantry-qemu" "$into/etc/apparmor.d/gantry-qemu"

# Where the kernel has AppArmor; running guests go on under the new profile.
if [ -z "$into" ] && grep -qs Y /sys/module/apparmor/parameters/enabled && command -v apparmor_parser >/dev/null; then
    apparmor_parser -r -W /etc/apparmor.d/gantry-qemu
fi

if [ -z "$into" ] && [ -d /run/systemd/system ]; then
    systemd-sysusers gantry.conf
    systemd-tmpfiles --create gantry.conf
    systemctl daemon-reload
    systemctl enable gantryd.service
    systemctl restart gantryd.service
    echo "gantryd runs. Next: gantry doctor; gantry image build micro; gantry launch micro hello"
else
    echo "Installed${into:+ under $into}. Start it with systemd, or by hand: /usr/lib/gantry/daemon/gantryd"
fi
