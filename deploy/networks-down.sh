#!/bin/sh
# Takes down what networks have on this host while no daemon runs: bridges, their dnsmasq, filters. The daemon sets them up again.
# networks-down.sh DATA RUN ROOT, where ROOT is / for the system's own; names as in src/Node/Networks/NetworkNames.cs
set -eu
data=$1 run=$2 root=$3
short() { printf %s "$1" | sha256sum | cut -c "1-$2"; }

for file in "$data"/networks/*.json; do
    [ -e "$file" ] || continue
    id=$(basename "$file" .json)
    if read -r boot pid start _ <"$run/networks/$id/process" && [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] &&
        [ "$start" = "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20)" ]; then
        kill "$pid"
    fi 2>/dev/null
    for kind in gx gv gb; do ip link del "$kind-$(short "$id" 10)" 2>/dev/null || true; done
done
table=gantry
[ "$root" = / ] || table=gantry_$(short "$root" 8)
for family in bridge inet; do nft delete table "$family" "$table" 2>/dev/null || true; done
