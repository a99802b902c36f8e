#!/bin/sh
# PID 1 of the guest that DebianGuest.cs boots: makes a system of what is mounted, runs the tests of one trait, and switches off.
# What the tests say goes to the second serial line, with a line of how they ended.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for place in /run /dev/shm; do mount -t tmpfs tmpfs $place; done
mkdir -p /run/lock /run/lvm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add
udevadm settle
ip link set lo up
hostname guest

read -r suite </brought/suite
{
    uname -sr
    for package in lvm2 thin-provisioning-tools nfs-kernel-server samba qemu-utils; do dpkg-query -W "$package"; done
    DOTNET_ROOT=/brought/dotnet GANTRY_IN_GUEST="$suite" /brought/tests/Gantry.Node.Tests -noLogo -noColor -reporter verbose -trait "Guest=$suite" 2>&1
    echo "ENDED $?"
} >/dev/ttyS1 2>&1
sync
echo o >/proc/sysrq-trigger
while :; do sleep 1; done
