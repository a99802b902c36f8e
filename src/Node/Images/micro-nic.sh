#!/bin/sh
# Sets the NICs of Gantry's image "micro" up: by a word of the kernel's command line that has its MAC, else by DHCP.
#   gantry.nic=MAC,ADDRESS/PREFIX,GATEWAY,DNS[,ADDRESS6/PREFIX,GATEWAY6]    all but MAC may be empty
# Called as "nic add" and "nic remove" with what the kernel's events tell, and by udhcpc with what it found out.
# IPv6 is the kernel's business where the network announces it.
export PATH=/bin

has() {
    echo "$1 has $2" >/dev/console
}

# Name servers of one NIC; those of all are used.
resolve() {
    cat >"/run/nic$1/resolv.conf"
    cat /run/nic*/resolv.conf >/etc/resolv.conf
}

static() {
    [ -z "$1" ] || ip addr add "$1" dev "$INTERFACE"
    [ -z "$2" ] || ip route add default via "$2" dev "$INTERFACE"
    [ -z "$3" ] || echo "nameserver $3" | resolve "$IFINDEX"
    [ -z "$4" ] || ip -6 addr add "$4" dev "$INTERFACE"
    [ -z "$5" ] || ip -6 route add default via "$5" dev "$INTERFACE"
    [ -z "$1" ] || has "$INTERFACE" "$1"
    [ -z "$4" ] || has "$INTERFACE" "$4"
}

case $1 in
    add)
        # Once for each, though both the boot and an event may tell of it.
        mkdir "/run/nic$IFINDEX" 2>/dev/null || exit 0
        mac=$(cat "/sys/class/net/$INTERFACE/address")
        ip link set "$INTERFACE" up
        for word in $(tr A-Z a-z </proc/cmdline); do
            case $word in
                "gantry.nic=$mac",*)
                    IFS=,
                    set -f -- ${word#*,}
                    set +f
                    static "$@"
                    exit 0
                    ;;
            esac
        done
        udhcpc -f -i "$INTERFACE" -s /bin/nic -x "hostname:$(hostname)" -O mtu -t 5 -T 1 -A 3 >/dev/null 2>&1 &
        echo $! >"/run/nic$IFINDEX/dhcp"
        ;;
    remove)
        [ ! -e "/run/nic$IFINDEX/dhcp" ] || kill "$(cat "/run/nic$IFINDEX/dhcp")"
        rm -rf "/run/nic$IFINDEX"
        ;;
    deconfig)
        ip -4 addr flush dev "$interface"
        ;;
    bound | renew)
        held=$(ip -4 -o addr show dev "$interface")
        case $held in
            *" $ip/$mask "*) ;;
            *)
                ip -4 addr flush dev "$interface"
                ip addr add "$ip/$mask" dev "$interface"
                has "$interface" "$ip/$mask"
                ;;
        esac
        [ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
        for gateway in $router; do
            ip route replace default via "$gateway" dev "$interface"
            break
        done
        {
            [ -z "$domain" ] || echo "search $domain"
            for server in $dns; do
                echo "nameserver $server"
            done
        } | resolve "$(cat "/sys/class/net/$interface/ifindex")"
        ;;
esac
