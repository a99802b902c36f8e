#!/bin/sh
# PID 1 of Gantry's image "micro": a shell on the serial line, and a guest that minds its power button.
#   gantry.name=NAME     its host name
#   gantry.run=BASE64    commands for sh, run once it is up
#   gantry.nic=MAC,...   how a NIC is set up (micro-nic.sh); by DHCP when there is none for it
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

for word in $(cat /proc/cmdline); do
    case $word in
        gantry.name=*) hostname "${word#*=}" ;;
        gantry.run=*) run=${word#*=} ;;
    esac
done

# Memory, CPUs and NICs that are plugged in later are used at once.
echo online >/sys/devices/system/memory/auto_online_blocks
uevent sh -c 'case "$ACTION $SUBSYSTEM $INTERFACE" in
    "add cpu "*) echo 1 >"/sys$DEVPATH/online" ;;
    "add net eth"* | "remove net eth"*) nic "$ACTION" ;;
esac' >/dev/null 2>&1 &

# Numbered so that what a module needs stands before it. A machine lacks some of the devices: that is no fault.
for module in /modules/*.ko; do
    insmod "$module" 2>/dev/null
done

# In the background: a network that is slow, or not there, holds up nothing.
ip link set lo up
for nic in /sys/class/net/eth*; do
    [ ! -e "$nic" ] || INTERFACE=${nic##*/} IFINDEX=$(cat "$nic/ifindex") nic add &
done

# The power button is an input device: the first event it sends ends the machine.
for device in /sys/class/input/event*; do
    if [ "$(cat "$device/device/name")" = "Power Button" ]; then
        {
            dd if="/dev/input/${device##*/}" of=/dev/null bs=24 count=1 2>/dev/null
            echo "power button pressed"
            sync
            poweroff -f
        } &
    fi
done

read -r up _ </proc/uptime
echo "micro is up: $(hostname), Linux $(uname -r), after $up s"
[ -z "$run" ] || echo "$run" | base64 -d | sh &

export HOME=/ PS1='\h:\w# '
while :; do
    setsid cttyhack sh
done
