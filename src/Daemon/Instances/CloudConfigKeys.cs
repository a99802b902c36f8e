namespace Gantry.Daemon.Instances;

/// <summary>What a value of a cloud-config is, as far as it is checked.</summary>
internal enum CloudConfigKind
{
    Any,
    List,
    Map,
    Truth,
    Scalar,
}

/// <summary>
/// The top-level keys of <c>#cloud-config</c>, as cloud-init 22.4's own schema has them (schema-cloud-config-v1.json of Debian 12's
/// package), and those that it reads without its schema naming them.
/// </summary>
internal static class CloudConfigKeys
{
    private const string Lists = """
        bootcmd cloud_config_modules cloud_final_modules cloud_init_modules fs_setup mounts mount_default_fields packages runcmd ssh_authorized_keys
        ssh_fp_console_blacklist ssh_genkeytypes ssh_import_id ssh_key_console_blacklist write_files
        """;

    private const string Maps = """
        ansible apk_repos apt autoinstall ca-certs ca_certs chef chpasswd device_aliases disk_setup drivers fan growpart grub-dpkg grub_dpkg keyboard landscape lxd
        mcollective ntp phone_home power_state puppet random_seed reporting resolv_conf rh_subscription rsyslog salt_minion snap spacewalk ssh ssh_keys
        ssh_publish_hostkeys swap ubuntu_advantage updates vendor_data wireguard yum_repos zypper datasource system_info
        """;

    private const string Truths = """
        allow_public_ssh_keys apt_reboot_if_required apt_update apt_upgrade disable_ec2_metadata disable_root manage_resolv_conf migrate no_ssh_fingerprints
        package_reboot_if_required package_update package_upgrade prefer_fqdn_over_hostname preserve_hostname ssh_deletekeys ssh_quiet_keygen manual_cache_clean
        """;

    private const string Scalars = """
        apt_pipelining authkey_hash byobu_by_default disable_root_opts final_message fqdn hostname locale locale_configfile manage_etc_hosts password resize_rootfs
        ssh_pwauth timezone yum_repo_dir
        """;

    /// <summary>Of several kinds each; <c>&lt;&lt;</c> is YAML's own.</summary>
    private const string Anys = "groups user users merge_how merge_type output network <<";

    public static IReadOnlyDictionary<string, CloudConfigKind> All { get; } =
        (((CloudConfigKind Kind, string Names)[])
        [
            (CloudConfigKind.List, Lists), (CloudConfigKind.Map, Maps), (CloudConfigKind.Truth, Truths), (CloudConfigKind.Scalar, Scalars), (CloudConfigKind.Any, Anys),
        ]).SelectMany(k => k.Names.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(name => (name, k.Kind))).ToDictionary(k => k.name, k => k.Kind);

    /// <summary>What the items of a list may be, where that is checked: texts, lists, maps.</summary>
    public static IReadOnlyDictionary<string, (bool Text, bool List, bool Map)> Items { get; } = new Dictionary<string, (bool Text, bool List, bool Map)>
    {
        ["bootcmd"] = (true, true, false),
        ["fs_setup"] = (false, false, true),
        ["mounts"] = (false, true, false),
        ["packages"] = (true, true, true),
        ["runcmd"] = (true, true, false),
        ["ssh_authorized_keys"] = (true, false, false),
        ["ssh_import_id"] = (true, false, false),
        ["users"] = (true, true, true),
        ["write_files"] = (false, false, true),
    };

    /// <summary>The key that was meant, where only '_' and '-' are otherwise.</summary>
    public static string? Meant(string name) => All.Keys.FirstOrDefault(key => Plain(key) == Plain(name));

    private static string Plain(string name) => name.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();
}
