#!/bin/sh
# Installs what `sudo ./dev build` made: as the system's daemon, or under $DESTDIR for a package. Run again, it upgrades;
# guests go on through it. deploy/uninstall.sh takes it away again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cat "$here/../artifacts/dev/current" 2>/dev/null || echo none)
built=$here/../artifacts/dev/$build
into=${DESTDIR:-}
lib=$into/usr/lib/gantry

[ -x "$built/daemon/gantryd" ] || { echo "install.sh: there is no build yet: sudo ./dev build" >&2; exit 1; }
[ -n "$into" ] || [ "$(id -u)" = 0 ] || { echo "install.sh: run it with sudo, or set DESTDIR" >&2; exit 1; }

# Each build has a directory of its own and `daemon` is a link to the one to be started: a daemon that runs still finds the files
# it was started from, until the next one has taken its place.
mkdir -p "$lib" "$into/usr/bin"
name=daemon-$build
while [ -e "$lib/$name" ]; do name=$name+; done
rm -rf "$lib/new"
cp -r "$built/daemon" "$lib/new"
mv "$lib/new" "$lib/$name"
[ -L "$lib/daemon" ] || [ ! -e "$lib/daemon" ] || mv "$lib/daemon" "$lib/daemon-unlinked"
before=$(readlink "$lib/daemon" || true)
ln -sfn "$name" "$lib/daemon.new"
mv -T "$lib/daemon.new" "$lib/daemon"
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
    systemctl restart gantryd.service || {
        echo "install.sh: gantryd does not start: journalctl -u gantryd -n 20" >&2
        [ -z "$before" ] || echo "install.sh: the build before it is kept as $lib/$before" >&2
        exit 1
    }
    echo "gantryd $(gantry query GET /system | sed -n 's/.*"version": *"\([^"]*\)".*/\1/p') runs. Next: gantry doctor; gantry image build micro; gantry launch micro hello"
else
    echo "Installed${into:+ under $into}. Start it with systemd, or by hand: /usr/lib/gantry/daemon/gantryd"
fi

for old in "$lib"/daemon-*; do
    [ "$old" = "$lib/$name" ] || rm -rf "$old"
done
