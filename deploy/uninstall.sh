#!/bin/sh
# Takes away what install.sh put on this machine. Data, configuration, logs and the group stay, unless --purge is said.
set -eu
purge=
case ${1:-} in
    '') ;;
    --purge) purge=yes ;;
    *) echo "uninstall.sh: there is only --purge: remove data, configuration, logs and the group too" >&2; exit 2 ;;
esac
into=${DESTDIR:-}
[ -n "$into" ] || [ "$(id -u)" = 0 ] || { echo "uninstall.sh: run it with sudo, or set DESTDIR" >&2; exit 1; }

runs() { # FILE: is the process that its launcher noted there still that process
    read -r pid start _ <"$1" && [ "$start" = "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)" ]
}

running() { # by name, as the daemon knows them; by id, when it does not answer
    gantry list -q --filter 'state ne stopped and state ne error and state ne lost' 2>/dev/null && return
    for noted in /run/gantry/instances/*/pids; do
        [ ! -e "$noted" ] || ! runs "$noted" || basename "$(dirname "$noted")"
    done
}

if [ -z "$into" ]; then
    # Without the daemon nobody would look after a guest that runs, and its disks must not go away under it.
    left=$(running | tr '\n' ' ')
    if [ -n "$left" ]; then
        echo "uninstall.sh: these instances still run: $left" >&2
        echo "Stop them first: gantry stop --filter 'state ne stopped'" >&2
        exit 1
    fi

    if [ -d /run/systemd/system ] && [ -e /usr/lib/systemd/system/gantryd.service ]; then
        systemctl disable --now gantryd.service
        systemctl reset-failed gantryd.service 2>/dev/null || true
    fi
    "$(dirname "$0")/networks-down.sh" /var/lib/gantry /run/gantry /
fi

if [ -z "$into" ] && grep -qs '^gantry-qemu ' /sys/kernel/security/apparmor/profiles; then
    apparmor_parser -R /etc/apparmor.d/gantry-qemu
fi
rm -rf "$into/usr/lib/gantry"
rm -f "$into/etc/apparmor.d/gantry-qemu" "$into"/var/cache/apparmor/*/gantry-qemu
rm -f "$into/usr/bin/gantry" "$into/usr/lib/systemd/system/gantryd.service" "$into/usr/lib/sysusers.d/gantry.conf" "$into/usr/lib/tmpfiles.d/gantry.conf"

if [ -z "$into" ]; then
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
    rm -rf /run/gantry
fi

if [ -n "$purge" ]; then
    # What is on a file server is not this machine's to remove.
    [ -n "$into" ] || for place in /var/lib/gantry/pools/*/; do umount -c -l "${place%/}" 2>/dev/null || true; done
    rm -rf --one-file-system "$into/var/lib/gantry" "$into/etc/gantry" "$into/var/log/gantry" "$into/var/cache/gantry"
    if [ -z "$into" ] && getent group gantry >/dev/null; then groupdel gantry; fi
    echo "Removed, with all its data."
else
    echo "Removed. Kept: $into/var/lib/gantry (instances, images, database), $into/etc/gantry, $into/var/log/gantry, $into/var/cache/gantry and the group."
    echo "Remove these too with: uninstall.sh --purge"
fi
