namespace Gantry.Node.Tests.Pools;

/// <summary>
/// A real Ceph of one node, in a namespace of its own, its address on that one's loopback: a monitor, a manager (which counts what room there is) and one
/// OSD that keeps its objects in memory. Everything that is proven with keys is.
/// </summary>
public sealed class CephHost : IAsyncLifetime
{
    public const string Monitor = "10.98.0.1";
    public const string Pool = "disks";

    private const string Script = """
        ip link set lo up
        ip address add 10.98.0.1/32 dev lo
        for place in /etc/ceph /run/ceph /var/log/ceph /var/lib/ceph; do mkdir -p $place; mount -t tmpfs tmpfs $place; done
        fsid=$(cat /proc/sys/kernel/random/uuid) osd=$(cat /proc/sys/kernel/random/uuid) folder=$PWD
        cd /etc/ceph
        cat >ceph.conf <<END
        [global]
        fsid = $fsid
        mon_host = 10.98.0.1
        public_addr = 10.98.0.1
        auth_cluster_required = cephx
        auth_service_required = cephx
        auth_client_required = cephx
        auth_allow_insecure_global_id_reclaim = false
        osd_pool_default_size = 1
        osd_pool_default_min_size = 1
        osd_crush_chooseleaf_type = 0
        mon_allow_pool_size_one = true
        mon_data_avail_warn = 1
        mon_data_avail_crit = 1
        paxos_propose_interval = 0.02
        paxos_min_wait = 0.01
        mgr_initial_modules =
        mgr_stats_period = 1
        mgr_tick_period = 1
        mon_data = /var/lib/ceph/mon
        mgr_data = /var/lib/ceph/mgr
        osd_data = /var/lib/ceph/osd
        osd_objectstore = memstore
        osd_memory_target = 939524096
        memstore_device_bytes = 1073741824
        END
        mkdir /var/lib/ceph/mon /var/lib/ceph/mgr /var/lib/ceph/osd
        made() { ceph-authtool --create-keyring "$1" --gen-key -n "$2" --cap mon "$3" ${4:+--cap osd "$4"} ${5:+--cap mgr "$5"} >&2; }
        made mon.keyring mon. 'allow *'
        made ceph.client.admin.keyring client.admin 'allow *' 'allow *' 'allow *'
        made client.gantry.keyring client.gantry 'profile rbd' 'profile rbd pool=disks'
        made /var/lib/ceph/osd/keyring osd.0 'allow profile osd' 'allow *' 'allow profile osd'
        made /var/lib/ceph/mgr/keyring mgr.x 'allow profile mgr' 'allow *'
        for keyring in ceph.client.admin.keyring client.gantry.keyring /var/lib/ceph/osd/keyring /var/lib/ceph/mgr/keyring; do ceph-authtool mon.keyring --import-keyring $keyring >&2; done
        cp client.gantry.keyring "$folder/keyring"
        monmaptool --create --fsid $fsid --addv a '[v2:10.98.0.1:3300,v1:10.98.0.1:6789]' monmap >&2
        ceph-mon --mkfs -i a --monmap monmap --keyring mon.keyring >&2
        ceph-mon -i a -f >"$folder/mon.log" 2>&1 &
        ceph-mgr -i x -f >"$folder/mgr.log" 2>&1 &
        ceph --connect-timeout 60 osd new $osd >&2
        ceph-osd -i 0 --mkfs --osd-uuid $osd >"$folder/osd.log" 2>&1
        ceph-osd -i 0 -f >>"$folder/osd.log" 2>&1 &
        ceph osd pool create disks 4 >&2
        ceph osd pool application enable disks rbd >&2
        tries=0; until ceph df --format json 2>/dev/null | grep -q '"max_avail":[1-9]'; do tries=$((tries + 1)); [ $tries -lt 300 ] || exit 1; sleep 0.1; done
        cd "$folder"
        """;

    private StorageHost? _host;

    internal StorageHost Host => _host!;

    /// <summary>The keyring of a user that may use that pool, and nothing else.</summary>
    internal string Keyring => $"{Host.Folder}/keyring";

    public async ValueTask InitializeAsync() => _host = await StorageHost.MakeAsync(Script);

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}
