#!/bin/sh
# PID 1 of Gantry's image "micro": a shell on the serial line, and a guest that minds its power button.
#   gantry.name=NAME     its host name
#   gantry.run=BASE64    commands for sh, run once it is up
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

# Memory and CPUs that are plugged in later are used at once.
echo online >/sys/devices/system/memory/auto_online_blocks
uevent sh -c '[ "$ACTION $SUBSYSTEM" = "add cpu" ] && echo 1 >"/sys$DEVPATH/online"' >/dev/null 2>&1 &

# Numbered so that what a module needs stands before it. A machine lacks some of the devices: that is no fault.
for module in /modules/*.ko; do
    insmod "$module" 2>/dev/null
done

for word in $(cat /proc/cmdline); do
    case $word in
        gantry.name=*) hostname "${word#*=}" ;;
        gantry.run=*) run=${word#*=} ;;
    esac
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
