using Gantry.Contracts;
using Gantry.Node.Pools;
using Gantry.Node.Tests.Pools;

namespace Gantry.Node.Tests.InGuest;

/// <summary>A real Samba with one share for one user.</summary>
public sealed class CifsHost : IAsyncLifetime
{
    private const string Script = """
        mkfs.ext4 -q /dev/vdc
        mkdir -p /srv/cifs /run/samba
        mount /dev/vdc /srv/cifs
        useradd --no-create-home gantry
        cat >/etc/samba/smb.conf <<'END'
        [global]
        server role = standalone server
        smb ports = 445
        interfaces = lo
        bind interfaces only = yes
        [disks]
        path = /srv/cifs
        read only = no
        valid users = gantry
        force user = root
        END
        printf 'secret-9\nsecret-9\n' | smbpasswd -s -a gantry >/dev/null
        smbd -D
        """;

    public async ValueTask InitializeAsync() => await Guest.PrepareAsync(Script);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

[Trait("Category", "InGuest")]
[Trait("Guest", "cifs")]
public sealed class CifsPoolTests : MountedPoolConformance, IClassFixture<CifsHost>
{
    private protected override PoolKind Kind => PoolKind.Cifs;

    private protected override string Source => $"//127.0.0.1/disks/{PoolId}";

    private protected override PoolMount? Mount => new("3.1.1", "share");

    private protected override int EachPoint => 5;

    private protected override int HistorySteps => 10;

    private string Credentials => $"{Node.Root.Etc}/credentials/share";

    public override async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory($"/srv/cifs/{PoolId}");
        Directory.CreateDirectory(Path.GetDirectoryName(Credentials)!);
        await File.WriteAllTextAsync(Credentials, "username=gantry\npassword=secret-9\n");
        File.SetUnixFileMode(Credentials, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await base.InitializeAsync();
    }

    [Fact]
    public async Task Credentials_that_others_can_read_or_that_are_not_there_are_refused()
    {
        File.SetUnixFileMode(Credentials, (UnixFileMode)0b110_100_100);
        var open = new NodePools(Node).Make(new(Id<Pool>.New(), Kind, Source, Mount));
        var none = new NodePools(Node).Make(new(Id<Pool>.New(), Kind, Source, new(null, "none")));

        (await ShouldRefuseAsync("pool.not_usable", () => open.OpenAsync(default))).Message.ShouldContain("can read");
        (await ShouldRefuseAsync("pool.not_usable", () => none.OpenAsync(default))).Message.ShouldContain("there is no file");
    }

    [Fact]
    public async Task A_password_that_is_wrong_is_told_and_not_shown()
    {
        await File.WriteAllTextAsync(Credentials, "username=gantry\npassword=secret-8\n");
        var other = new NodePools(Node).Make(new(Id<Pool>.New(), Kind, Source, Mount));

        (await ShouldRefuseAsync("pool.not_usable", () => other.OpenAsync(default))).Message.ShouldNotContain("secret");
    }
}
