#!/bin/bash
# Run by systemd inside the guest that InstallationTests boots. Each step is told by "BEGIN name" and "END name code"; between them
# stands what its commands said, in which the test looks. A step that fails does not keep the next ones from being tried.
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp

step() { # NAME: the function of that name is run
    echo "BEGIN $1"
    ("$1") 2>&1 | cat # no terminal: no progress bars
    echo "END $1 ${PIPESTATUS[0]}"
}

until_it_is() { # SECONDS COMMAND…: tried again until it succeeds
    local tries=$1
    shift
    for _ in $(seq "$tries"); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 1
    done
    echo "still not so: $*"
    return 1
}

said() { grep -q "$1" <(gantry logs hello); }
lines() { cat /var/log/gantry/instances/*/serial.log /var/lib/gantry/instances/*/serial.log 2>/dev/null | grep -c '^tick'; }
more_than() { [ "$(lines)" -gt "$1" ]; }
ticks() { local before; before=$(lines); until_it_is 300 more_than "$((before + 1))" && echo "the guest ticks"; }
qemu() { cut -d ' ' -f 1 /run/gantry/instances/*/pids; }
same() { echo "pid $(qemu), it was $(cat /tmp/qemu)"; [ "$(qemu)" = "$(cat /tmp/qemu)" ] && kill -0 "$(qemu)" && ticks; }
listed() { gantry list; [ "$(gantry list -q --filter 'state eq running')" = hello ]; }
ready() { until_it_is 600 systemctl is-active gantryd; systemctl show gantryd -p MainPID,NRestarts,StatusText,ActiveState,Result; }
answers() { until_it_is 300 gantry query GET /system/health; }
files() { find / -xdev \( -path /proc -o -path /sys -o -path /brought \) -prune -o -iname '*gantry*' -print | sort; }

bare() {
    files | grep -v -e '^/tmp' && return 1
    ! getent group gantry && ! command -v gantry dotnet
}

install() {
    sh /brought/1/deploy/install.sh && ready && answers
    getent group gantry
    systemctl is-enabled gantryd
    stat -c '%a %U:%G %n' /run/gantry /var/lib/gantry /var/log/gantry /etc/gantry /run/gantry/gantry.sock
    systemctl show gantryd -p Type,NotifyAccess,WatchdogUSec,KillMode,OOMPolicy,OOMScoreAdjust
    readlink /usr/lib/gantry/daemon "/proc/$(systemctl show gantryd -p MainPID --value)/exe"
}

doctor() { gantry doctor; }
profile() { grep gantry /sys/kernel/security/apparmor/profiles; }
image() { gantry image build micro && gantry image list; }

launch() {
    gantry launch micro hello --command-line "gantry.run=$(base64 -w 0 <<<'while sleep 2; do echo tick; done')" &&
        until_it_is 1200 said 'micro is up' && gantry logs hello | grep 'micro is up' && qemu >/tmp/qemu && ticks && listed
}

confined() {
    local pid
    pid=$(qemu)
    grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp)' "/proc/$pid/status"
    cat "/proc/$pid/attr/current" "/proc/$pid/cgroup" "/proc/$pid/oom_score_adj"
    systemctl list-units --no-legend --plain 'gantry-*.scope'
    systemd-cgls --no-pager -u gantry.slice
    grep Seccomp_filters "/proc/$(systemctl show gantryd -p MainPID --value)/status" "/proc/$pid/status"
}

restart() { systemctl restart gantryd && ready && answers && listed && same; }

upgrade() {
    gantry query GET /system | grep '"version"'
    sh /brought/2/deploy/install.sh && ready && answers && listed && same
    gantry --version
    gantry query GET /system | grep '"version"'
    ls -l /usr/lib/gantry
    readlink "/proc/$(systemctl show gantryd -p MainPID --value)/exe"
}

stop() {
    systemctl stop gantryd && systemctl is-active gantryd
    pgrep -a postgres
    same && systemctl start gantryd && ready && answers && listed && same
}

killed() { # the daemon, its PostgreSQL, and whatever else systemd counts as the service
    systemctl kill -s KILL gantryd
    sleep 2
    ready && answers && listed && same
}

hung() { # it lives, but does not answer: that is for the watchdog
    local pid
    pid=$(systemctl show gantryd -p MainPID --value)
    kill -STOP "$pid"
    replaced() { [ "$(systemctl show gantryd -p MainPID --value)" != "$pid" ] && systemctl is-active gantryd; }
    until_it_is 900 replaced && journalctl -u gantryd -o cat | grep -i watchdog
    ready && answers && listed && same
}

misconfigured() { # is not tried again and again
    echo 'no.such: 1' >/etc/gantry/gantry.yaml
    systemctl restart gantryd
    until_it_is 120 systemctl is-failed gantryd
    systemctl show gantryd -p ActiveState,Result,NRestarts
    journalctl -u gantryd -o cat -n 6
    rm /etc/gantry/gantry.yaml
    systemctl start gantryd && ready && answers && same
}

refused() { sh /brought/2/deploy/uninstall.sh; }

delete() {
    gantry stop hello && gantry delete hello || return 1
    pgrep -a qemu-system && return 1
    pgrep -a gantry-launch && return 1
    systemctl list-units --all --no-legend 'gantry-*.scope' | grep . && return 1
    find /sys/fs/cgroup -type d -iname '*gantry*' | sort
    ls /run/gantry/instances /var/lib/gantry/instances
}

journal() {
    journalctl -u gantryd -o cat | awk '/^{.*}$/ { json++ } !/^{.*}$/ { other++; if (other <= 40) print } END { print json, "JSON lines,", other + 0, "others" }'
    journalctl -u gantryd -o cat | grep '^{' | tail -n 2
}

security() { systemd-analyze security --no-pager gantryd.service; }
verify() { systemd-analyze verify --man=no gantryd.service; }
uninstall() { sh /brought/2/deploy/uninstall.sh && files && getent group gantry && ls /var/lib/gantry && ! pgrep -a 'gantry|postgres' && ! systemctl cat gantryd; }
again() { sh /brought/2/deploy/install.sh && ready && answers && gantry image list; }

purge() {
    sh /brought/2/deploy/uninstall.sh --purge && files | grep -v '^/tmp' && return 1
    ip -brief link | grep '^g[bxv]-' && return 1
    nft list tables | grep gantry && return 1
    ! getent group gantry && ! pgrep -a 'gantry|postgres|dnsmasq' && ! grep gantry /sys/kernel/security/apparmor/profiles
}

until_it_is 300 systemctl is-active multi-user.target
for name in bare install doctor profile image launch confined restart upgrade stop killed hung misconfigured refused delete journal security verify uninstall again purge; do
    step "$name"
done
echo "THE END"
