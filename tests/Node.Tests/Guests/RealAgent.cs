using System.Diagnostics;
using System.Globalization;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Guests;

/// <summary>
/// A real qemu-ga on this machine, in a world of its own in which nothing is mounted that could be frozen but one small ext4: it looks for that itself
/// before it begins.
/// </summary>
internal sealed class RealAgent : IAsyncDisposable
{
    private const string Script = """
        set -e
        mount --make-rprivate /
        truncate -s 32M fs.img
        mkfs.ext4 -q -F fs.img
        mkdir world
        mount -t tmpfs none world
        mkdir -p world/old world/proc world/fs world/bin world/dev world/run
        cp x/usr/sbin/qemu-ga "$(command -v busybox)" world/bin/
        for l in $(ldd x/usr/sbin/qemu-ga | grep -o '/[^ ]*'); do mkdir -p "world$(dirname "$l")"; cp "$l" "world$l"; done
        mount -o loop fs.img world/fs
        cd world
        pivot_root . old
        exec /bin/busybox sh -c '
        set -e
        /bin/busybox mount -t proc proc /proc
        /bin/busybox umount -l /old
        /bin/busybox mknod /dev/null c 1 3
        [ "$(/bin/busybox grep -c ^/dev/ /proc/self/mounts)" = 1 ]
        /bin/busybox grep -q ^/dev/loop /proc/self/mounts
        (while :; do /bin/qemu-ga -m unix-listen -p /run/ga.sock -t /run; done) >/dev/null 2>&1 &
        until [ -S /run/ga.sock ]; do /bin/busybox sleep 0.1; done
        read pid rest </proc/self/stat
        echo ready
        read end'
        """;

    private static readonly TimeSpan Soon = TimeSpan.FromMinutes(2);
    private readonly Process _keeper;
    private readonly string _folder;

    private RealAgent(Process keeper, string folder, int inside) => (_keeper, _folder, Root) = (keeper, folder, string.Create(CultureInfo.InvariantCulture, $"/proc/{inside}/root"));

    /// <summary>Its world, as it is seen from here.</summary>
    public string Root { get; }

    public string Socket => $"{Root}/run/ga.sock";

    public static async Task<RealAgent> StartAsync()
    {
        var folder = TestRoot.NewFolder();
        using var deadline = new CancellationTokenSource(Soon, TimeProvider.System);
        await new DebianPackages(new Shell(TimeProvider.System)).UnpackAsync("qemu-guest-agent", $"{folder}/x", $"{folder}/fetched", deadline.Token);
        var info = new ProcessStartInfo("unshare") { RedirectStandardInput = true, RedirectStandardOutput = true, WorkingDirectory = folder };
        foreach (var argument in (string[])["--mount", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c", Script])
        {
            info.ArgumentList.Add(argument);
        }

        var keeper = Process.Start(info)!;
        (await keeper.StandardOutput.ReadLineAsync(deadline.Token)).ShouldBe("ready", "its standard error says why");
        var children = await File.ReadAllTextAsync(string.Create(CultureInfo.InvariantCulture, $"/proc/{keeper.Id}/task/{keeper.Id}/children"), deadline.Token);
        return new(keeper, folder, int.Parse(children.Trim(), CultureInfo.InvariantCulture));
    }

    public async ValueTask DisposeAsync()
    {
        _keeper.StandardInput.Close();
        using var deadline = new CancellationTokenSource(Soon, TimeProvider.System);
        await _keeper.WaitForExitAsync(deadline.Token);
        _keeper.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
