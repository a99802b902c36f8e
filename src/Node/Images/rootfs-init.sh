#!/bin/sh
# PID 1 of the initial RAM disk of Gantry's image "rootfs": loads what a disk needs, mounts the root and hands over to its init.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

for module in /modules/*.ko; do
    insmod "$module" 2>/dev/null
done

root=/dev/vda mode=rw init=/sbin/init
for word in $(cat /proc/cmdline); do
    case $word in
        root=*) root=${word#*=} ;;
        init=*) init=${word#*=} ;;
        ro | rw) mode=$word ;;
        gantry.name=*) name=${word#*=} ;;
    esac
done

tries=0
while [ ! -b "$root" ] && [ $tries -lt 100 ]; do
    usleep 100000
    tries=$((tries + 1))
done

if mount -t ext4 -o "$mode" "$root" /mnt; then
    [ -z "$name" ] || [ "$mode" = ro ] || echo "$name" >/mnt/etc/hostname
    umount /proc
    umount /sys
    mount -o move /dev /mnt/dev
    exec switch_root /mnt "$init"
fi

echo "The root $root cannot be mounted; here is a shell."
export HOME=/ PS1='initrd# '
while :; do
    setsid cttyhack sh
done
