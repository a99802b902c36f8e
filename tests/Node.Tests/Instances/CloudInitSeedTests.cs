using System.Text;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Instances;

/// <summary>The disc that cloud-init reads, read back with the tool that reads any disc.</summary>
public sealed class CloudInitSeedTests : IAsyncDisposable
{
    private static readonly Id<Instance> Web = new(new("0199a000-0000-7000-8000-000000000001"));

    private static readonly CloudInit Short = new()
    {
        Hostname = "web1",
        Fqdn = "web1.example.org",
        Users =
        [
            new()
            {
                Name = "ann",
                PasswordHash = "$6$salt$hash",
                SshKeys = ["ssh-ed25519 AAAA ann@home"],
                Sudo = true,
                Groups = ["adm", "video"],
                Shell = "/bin/bash",
            },
            new() { Name = "bob" },
        ],
        SshKeys = ["ssh-ed25519 BBBB"],
        Packages = ["nginx"],
        Runcmd = ["echo \"it's\" \\ done > /run/done"],
        WriteFiles = [new() { Path = "/etc/motd", Content = "two\nlines: # €\t\u0001", Permissions = "0600", Owner = "ann:adm" }, new() { Path = "/etc/issue", Owner = "root:root" }],
        Timezone = "Europe/Berlin",
        DnsServers = ["10.0.0.1"],
        SearchDomains = ["example.org"],
        Nics = [new() { Name = "eth1", Addresses = ["10.20.0.5/24", "fd00::5/64"], Gateway = "10.20.0.1", Gateway6 = "fd00::1" }],
    };

    private readonly TestRoot _root = new();

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    [Fact]
    public async Task The_short_form_becomes_user_data_and_network_config()
    {
        var read = await ReadAsync(await DefineAsync(Short));

        read.Keys.ShouldBe(["meta-data", "network-config", "user-data", "vendor-data"], ignoreOrder: true);
        read["meta-data"].ShouldBe("""
            instance-id: "0199a000-0000-7000-8000-000000000001-1"
            local-hostname: "web1.example.org"

            """);
        read["user-data"].ShouldBe("""
            #cloud-config
            manage_etc_hosts: "localhost"
            updates:
              network:
                when:
                  - "boot-new-instance"
                  - "boot"
            users:
              - "default"
              -
                name: "ann"
                lock_passwd: false
                hashed_passwd: "$6$salt$hash"
                ssh_authorized_keys:
                  - "ssh-ed25519 AAAA ann@home"
                sudo: "ALL=(ALL) NOPASSWD:ALL"
                groups:
                  - "adm"
                  - "video"
                shell: "/bin/bash"
              -
                name: "bob"
                lock_passwd: true
            ssh_authorized_keys:
              - "ssh-ed25519 BBBB"
            timezone: "Europe/Berlin"
            write_files:
              -
                path: "/etc/motd"
                content: "two\nlines: # €\t\x01"
                permissions: "0600"
                owner: "ann:adm"
                defer: true
              -
                path: "/etc/issue"
                content: ""
                owner: "root:root"
            package_update: true
            packages:
              - "nginx"
            runcmd:
              - "echo \"it's\" \\ done > /run/done"

            """);
        read["network-config"].ShouldBe("""
            version: 2
            ethernets:
              eth0:
                match:
                  macaddress: "52:54:00:00:00:01"
                set-name: "eth0"
                dhcp4: true
                dhcp-identifier: "mac"
                optional: true
                nameservers:
                  addresses:
                    - "10.0.0.1"
                  search:
                    - "example.org"
              eth1:
                match:
                  macaddress: "52:54:00:00:00:02"
                set-name: "eth1"
                addresses:
                  - "10.20.0.5/24"
                  - "fd00::5/64"
                routes:
                  -
                    to: "0.0.0.0/0"
                    via: "10.20.0.1"
                  -
                    to: "::/0"
                    via: "fd00::1"
                nameservers:
                  addresses:
                    - "10.0.0.1"
                  search:
                    - "example.org"

            """);
    }

    [Fact]
    public void A_NIC_whose_name_YAML_would_take_for_something_else_is_called_by_its_name()
    {
        string[] names = ["on", "yes", "1", "1e3", "null", "eth0"];

        CloudInitSeed.NetworkConfig(new(), [.. names.Select(name => new NicSpec(name, "52:54:00:00:00:01"))]).Split('\n')
            .Where(line => line.StartsWith("  ", StringComparison.Ordinal) && line[2] != ' ')
            .ShouldBe(["  \"on\":", "  \"yes\":", "  \"1\":", "  \"1e3\":", "  \"null\":", "  eth0:"]);
    }

    [Fact]
    public async Task What_is_raw_is_on_the_disc_as_it_is()
    {
        var read = await ReadAsync(await DefineAsync(new()
        {
            UserData = "#!/bin/sh\necho größer\n",
            NetworkConfig = "version: 1\nconfig: disabled\n",
            VendorData = "#cloud-config\n{}",
        }));

        read["user-data"].ShouldBe("#!/bin/sh\necho größer\n");
        read["network-config"].ShouldBe("version: 1\nconfig: disabled\n");
        read["vendor-data"].ShouldBe("#cloud-config\n{}");
        read["meta-data"].ShouldContain("local-hostname: \"seeded\"");
    }

    [Fact]
    public async Task The_largest_user_data_there_may_be_are_read_back_to_the_last_letter()
    {
        var text = $"#cloud-config\n# {string.Join('\n', Enumerable.Range(0, 8_000).Select(i => $"# {i:d4}"))}\n";
        text = text.PadRight(Limits.UserDataBytes, '#');

        (await ReadAsync(await DefineAsync(new() { UserData = text })))["user-data"].ShouldBe(text);
    }

    [Fact]
    public async Task The_disc_is_roots_alone_with_the_label_cloud_init_looks_for_and_nothing_is_left_beside_it()
    {
        var spec = await DefineAsync(Short);
        var (folder, path) = (_root.Context.Folders.Data(spec.Id), PathOf(spec));

        File.GetUnixFileMode(path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.GetUnixFileMode($"{folder}/spec.json").ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Posix.TryOwnerOf(path).ShouldBe(0);
        Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).ShouldBe(["seed.iso", "spec.json"], ignoreOrder: true);
        (await RunAsync("blkid", "-p", "-s", "LABEL", "-s", "TYPE", "-o", "export", path)).ShouldContain("LABEL=cidata\n");
    }

    [Fact]
    public async Task The_disc_is_made_again_when_what_it_says_changes_and_only_then()
    {
        var spec = await DefineAsync(Short);
        var first = await File.ReadAllBytesAsync(PathOf(spec));
        var written = File.GetLastWriteTimeUtc(PathOf(spec));
        await using var node = new LocalNode(_root.Context);

        (await node.SetCloudInitAsync(spec.Id, spec.CloudInit, default)).ShouldBeFalse("it does not run");
        File.GetLastWriteTimeUtc(PathOf(spec)).ShouldBe(written);

        await node.SetCloudInitAsync(spec.Id, new(new() { Hostname = "other" }, 2), default);
        var second = await ReadAsync(_root.Context.Folders.Read(spec.Id));
        second["meta-data"].ShouldBe("instance-id: \"0199a000-0000-7000-8000-000000000001-2\"\nlocal-hostname: \"other\"\n");

        await node.SetCloudInitAsync(spec.Id, new(Short, 1), default);
        (await File.ReadAllBytesAsync(PathOf(spec))).ShouldBe(first, "the same settings make the same disc");

        await node.SetCloudInitAsync(spec.Id, null, default);
        File.Exists(PathOf(spec)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_rename_alone_changes_the_host_name_at_the_next_start_and_cloud_init_does_not_act_again()
    {
        var spec = await _root.DefineAsync(Spec(new()) with { Driver = "sim", Kind = InstanceKind.Microvm });
        await using var node = new LocalNode(_root.Context);

        await node.RenameAsync(spec.Id, "renamed", default);
        await node.StartAsync(spec.Id, default);

        (await ReadAsync(spec))["meta-data"].ShouldBe("instance-id: \"0199a000-0000-7000-8000-000000000001-1\"\nlocal-hostname: \"renamed\"\n");
        (await node.SetCloudInitAsync(spec.Id, null, default)).ShouldBeTrue("it runs on with the old one");
    }

    private Task<InstanceSpec> DefineAsync(CloudInit cloudInit) => _root.DefineAsync(Spec(cloudInit));

    private static InstanceSpec Spec(CloudInit cloudInit) => new(Web, "seeded", InstanceKind.Vm, "qemu", 1, 1L << 30, Firmware.Uefi, null, null, null, 0)
    {
        CloudInit = new(cloudInit, 1),
        Nics = [new("eth0", "52:54:00:00:00:01"), new("eth1", "52:54:00:00:00:02", Network: Id<Network>.New())],
    };

    private string PathOf(InstanceSpec spec) => GeneratedDiscs.PathOf(_root.Context.Root, spec.Id, GeneratedDisc.CloudInit);

    private async Task<Dictionary<string, string>> ReadAsync(InstanceSpec spec)
    {
        var folder = $"{_root.Path}/read";
        await RunAsync("xorriso", "-osirrox", "on", "-indev", PathOf(spec), "-joliet", "on", "-extract", "/", folder);
        var read = Directory.GetFiles(folder).ToDictionary(f => Path.GetFileName(f), f => File.ReadAllText(f, Encoding.UTF8));
        foreach (var file in Directory.GetFiles(folder))
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.Delete(folder, recursive: true);
        return read;
    }

    private async Task<string> RunAsync(string program, params string[] arguments) =>
        (await _root.Context.Shell.RunAsync(new(program, arguments, TimeSpan.FromMinutes(2)), default)).Output;
}
