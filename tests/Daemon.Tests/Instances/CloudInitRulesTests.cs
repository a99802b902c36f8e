using Gantry.Contracts;
using Gantry.Daemon.Instances;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>Raw user-data and network-config, as users write them: what passes, and what is told of what does not.</summary>
public sealed class CloudInitRulesTests
{
    [Theory]
    [InlineData("#cloud-config")]
    [InlineData("#cloud-config\n")]
    [InlineData("\n  #cloud-config\n---\nusers:\n  - default\n  - name: ann\n    sudo: [\"ALL=(ALL) NOPASSWD:ALL\"]\n")]
    [InlineData("#cloud-config\nruncmd:\n  - [ls, -l]\n  - 'echo \"a: b\"'\nbootcmd: &x [a]\nlate: 1\n", "line 6, column 1: cloud-init knows no 'late'")]
    [InlineData("#cloud-config\nx: &r {package_update: true}\n<<: *r\n", "line 2, column 1: cloud-init knows no 'x'")]
    [InlineData("#cloud-config\npackages: [a, [b, 1.0]]\nmounts: [[sda1, /mnt]]\nntp:\nssh_pwauth: unchanged\npackage_update: yes\nwrite_files:\n- path: /a\n  content: |\n    #!/bin/sh\n    users: x\n")]
    [InlineData("#cloud-config\nrun_cmd: [ls]\n", "line 2, column 1: cloud-init knows no 'run_cmd'; it knows 'runcmd'")]
    [InlineData("#cloud-config\npackage_update: true\nruncmd: ls\n", "line 3, column 9: 'runcmd' is a list, not a text")]
    [InlineData("#cloud-config\nruncmd:\n", "line 2, column 8: 'runcmd' is a list, not nothing")]
    [InlineData("#cloud-config\nwrite_files:\n  - /etc/motd\n  - path: /a\n", "line 3, column 5: an item of 'write_files' is a map, not a text")]
    [InlineData("#cloud-config\nruncmd:\n  - echo a: b\n", "line 3, column 5: an item of 'runcmd' is a text or a list, not a map")]
    [InlineData("#cloud-config\nchpasswd: secret\npackage_update: maybe\nhostname: [a]\n", "line 2, column 11: 'chpasswd' is a map, not a text", "line 3, column 17: 'package_update' is true or false, not a text", "line 4, column 11: 'hostname' is a text or number, not a list")]
    [InlineData("#cloud-config\nhostname: a\nhostname: b\n", "line 3, column 1: 'hostname' is there twice")]
    [InlineData("#cloud-config\n- users\n", "line 2, column 1: cloud-config is a map of keys such as 'users:', not a list")]
    [InlineData("#cloud-config\njust words\n", "line 2, column 1: cloud-config is a map of keys such as 'users:', not a text")]
    [InlineData("#cloud-config\n? [a]\n: b\nusers: []\n", "line 2, column 3: a key is a text, not a list")]
    [InlineData("#cloud-config\nhostname: a\n---\nhostname: b\n", "line 3, column 1: a second document begins here, which cloud-init does not read")]
    [InlineData("hostname: a\n", "line 1: it begins with nothing that cloud-init knows: #cloud-config-archive, #cloud-config-jsonp, #cloud-config, #cloud-boothook, #include-once, #include, #part-handler, #!, ## template: jinja, or a MIME message")]
    [InlineData("#cloud-config\n\n# \u0000\n", "line 3: it has a control character in it")]
    [InlineData("#!/bin/sh\n[ -e x ] && { echo: }\n")]
    [InlineData("## template: jinja\n#cloud-config\n{% if x %}\n")]
    [InlineData("#include\nhttp://10.0.0.1/more\n")]
    [InlineData("Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n\n--b\n")]
    public void Raw_user_data_are_read_as_cloud_init_reads_them(string text, params string[] faults) =>
        CloudInitRules.Faults(new() { UserData = text }, InstanceKind.Vm).ShouldBe(faults.Select(f => new Fault("$.cloudInit.userData", f)));

    [Theory]
    [InlineData("#cloud-config\nusers: [a\n", "line 3, column 1: this is no YAML")]
    [InlineData("#cloud-config\nusers:\n\t- a\n", "line 3, column 1: this is no YAML")]
    [InlineData("#cloud-config\nhostname: \"a\n", "line 2, column 11: this is no YAML")]
    public void What_is_no_YAML_is_told_with_its_place(string text, string begins)
    {
        var fault = CloudInitRules.Faults(new() { UserData = text }, InstanceKind.Vm).ShouldHaveSingleItem();

        fault.Message.ShouldStartWith(begins);
    }

    [Fact]
    public void Neither_depth_nor_aliases_nor_length_cost_anything()
    {
        var deep = $"#cloud-config\nusers: {new string('[', 60_000)}";
        CloudInitRules.Faults(new() { UserData = deep }, InstanceKind.Vm).ShouldHaveSingleItem().Message.ShouldEndWith("it is nested more than 32 deep");

        var laughs = $"#cloud-config\nusers: &a0 [x]\n{string.Concat(Enumerable.Range(1, 30).Select(i => $"packages: &a{i} [{string.Join(',', Enumerable.Repeat($"*a{i - 1}", 9))}]\n"))}";
        CloudInitRules.Faults(new() { UserData = laughs }, InstanceKind.Vm).ShouldAllBe(f => f.Message.Contains("twice"));

        CloudInitRules.Faults(new() { UserData = $"#!{new string('é', Limits.UserDataBytes / 2)}" }, InstanceKind.Vm).ShouldHaveSingleItem().Message
            .ShouldBe($"it has {Limits.UserDataBytes + 2} bytes; {Limits.UserDataBytes} are allowed");
        CloudInitRules.Faults(new() { WriteFiles = [new() { Path = "/a", Content = new string('x', Limits.UserDataBytes) }] }, InstanceKind.Vm).ShouldHaveSingleItem().Message
            .ShouldEndWith($"bytes of user-data; {Limits.UserDataBytes} are allowed");
    }

    [Theory]
    [InlineData('a', 256, true)]
    [InlineData('a', 257, false)]
    [InlineData('é', 128, true)]
    [InlineData('é', 129, false)]
    public void A_password_is_measured_in_the_bytes_that_are_hashed(char letter, int count, bool fits)
    {
        var settings = new CloudInit { Users = [new() { Name = "ann", Password = new(letter, count) }] };

        CloudInitRules.OfPasswords(settings).Select(f => f.Message).ShouldBe(fits ? [] : ["a password has 1 to 256 bytes in UTF-8, and no control characters"]);
        if (fits)
        {
            CloudInitPasswords.Hashed(settings)!.Users![0].PasswordHash.ShouldStartWith("$6$");
        }
    }

    [Fact]
    public void More_users_than_there_may_be_are_not_even_hashed()
    {
        var crowd = new CloudInit { Users = [.. Enumerable.Range(0, 20_000).Select(i => new CloudInitUser { Name = $"u{i}", Password = "word" })] };

        Should.Throw<Refusal>(() => CloudInitPasswords.Hashed(crowd)).Faults.ShouldHaveSingleItem().ShouldBe(new("$.cloudInit.users", "20000 are more than 256"));
    }

    [Theory]
    [InlineData("version: 2\nethernets: {}\n")]
    [InlineData("network:\n  version: 1\n  config: disabled\n")]
    [InlineData("ethernets:\n  version: 2\n", "it has neither 'version' nor 'network' at its top")]
    [InlineData("just words", "line 1, column 1: a network-config is a map with 'version: 1' or 'version: 2', not a text")]
    [InlineData("", "it has neither 'version' nor 'network' at its top")]
    public void A_raw_network_config_has_its_version(string text, params string[] faults) =>
        CloudInitRules.Faults(new() { NetworkConfig = text }, InstanceKind.Vm).ShouldBe(faults.Select(f => new Fault("$.cloudInit.networkConfig", f)));

    [Fact]
    public void A_container_has_no_drive_for_it() => CloudInitRules.Faults(new(), InstanceKind.Container).ShouldHaveSingleItem().Path.ShouldBe("$.cloudInit");

    [Theory]
    [InlineData("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJrXb9r1 ann@home", true)]
    [InlineData("sk-ssh-ed25519@openssh.com AAAAC3NzaC1lZDI1NTE5AAAAIJrXb9r1", true)]
    [InlineData("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ== a comment of words", true)]
    [InlineData("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJrXb9r1\nssh-rsa AAAA", false)]
    [InlineData("command=\"sh\" ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ==", false)]
    [InlineData("words", false)]
    public void A_key_is_a_public_one_in_one_line(string key, bool fits) => CloudInitRules.Faults(new() { SshKeys = [key] }, InstanceKind.Vm).Any().ShouldBe(!fits);
}
