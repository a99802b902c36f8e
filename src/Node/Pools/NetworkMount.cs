using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

/// <summary>
/// A file server's directory, mounted for a pool. A server that does not answer is waited for and not given up (<c>hard</c>): what a guest was
/// told to be on its disk would else be lost when the server is back. It stays mounted when the daemon ends, because guests have files of it open.
/// </summary>
/// <param name="target">Where it is mounted; made when it is not there.</param>
/// <param name="credentials">The folder of files with users and passwords.</param>
/// <param name="toolGid">The group of confined tools that work on a pool whose server knows no owners (<see cref="ToolUids.SharedGid"/>).</param>
internal sealed partial class NetworkMount(PoolKind kind, string source, string target, PoolMount options, string credentials, int toolGid, IShell shell)
{
    private const string Always = "nosuid,nodev,noexec";
    private const int MountPoint = 4; // in a line of /proc/self/mountinfo, see proc(5)

    private static readonly TimeSpan MountsWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(10);

    private readonly NamedLocks _locks = new();

    public PoolKind Kind => kind;

    /// <summary>As its server calls it.</summary>
    public string Source => source;

    public string Target => target;

    /// <summary>What mounts it, which is called as the kernel's list of mounts calls the file system.</summary>
    private string Tool => kind switch { PoolKind.Nfs => "nfs", PoolKind.Cifs => "cifs", _ => "glusterfs" };

    private string Package => kind switch { PoolKind.Nfs => "nfs-common", PoolKind.Cifs => "cifs-utils", _ => "glusterfs-client" };

    /// <summary>Finds that it can be said to a command: a name of a server and a path, plainly written.</summary>
    /// <exception cref="Refusal"><c>pool.not_usable</c></exception>
    public void Demand()
    {
        if (!(kind == PoolKind.Cifs ? Share() : Export()).IsMatch(source) || source.Split('/', ':').Contains(".."))
        {
            throw PoolErrors.NotUsable("The source", $"it is not written as {(kind == PoolKind.Cifs ? "//server/share" : kind == PoolKind.Nfs ? "server:/export" : "server:/volume")}, of letters, digits and . _ - + @ $");
        }

        if (options.Protocol is { } protocol && !Version().IsMatch(protocol))
        {
            throw PoolErrors.NotUsable(source, "its protocol is no version such as 4.2");
        }

        if (options.Credentials is { } name && !Limits.IsName(name))
        {
            throw PoolErrors.NotUsable(source, $"its credentials are no name of a file in {credentials}");
        }
    }

    /// <summary>Mounts it where it is not; what is there already stays.</summary>
    /// <param name="isDead">What is mounted is dead (its server forgot it, or its process ended), and is given up first; files that are open in it stay so. Asked when nobody else mounts.</param>
    /// <exception cref="Refusal"><c>pool.not_usable</c></exception>
    public async Task MountAsync(Func<Task<bool>> isDead, CancellationToken ct)
    {
        Demand();
        using var held = await _locks.HoldAsync(ct, target);
        try
        {
            if (await isDead())
            {
                await EndAsync(ct);
            }

            if (!await IsMountedAsync(ct))
            {
                DemandTool();
                Directory.CreateDirectory(target);
                await shell.RunAsync(new("mount", ["-t", Tool, "-o", Options(), "--", source, target], MountsWithin), ct);
            }
        }
        catch (CommandFailed e)
        {
            throw PoolErrors.NotUsable(source, $"it cannot be mounted: {e.Message.TrimEnd('.')}");
        }
        catch (IOException e)
        {
            throw PoolErrors.NotUsable(source, $"it cannot be mounted at {target}: {e.Message.TrimEnd('.')}");
        }
    }

    /// <summary>Ends the mount, though its server be gone, and removes the folder it was on.</summary>
    public async Task UnmountAsync(CancellationToken ct)
    {
        using var held = await _locks.HoldAsync(ct, target);
        await EndAsync(ct);
        if (Directory.Exists(target))
        {
            Directory.Delete(target);
        }
    }

    private async Task EndAsync(CancellationToken ct)
    {
        while (await IsMountedAsync(ct))
        {
            try
            {
                await shell.RunAsync(new("umount", ["-c", "--", target], AnswersWithin), ct);
            }
            catch (CommandFailed)
            {
                // Somebody has files of it open, or its server does not answer: it is taken out of sight, and ends when it can.
                await shell.RunAsync(new("umount", ["-c", "-l", "--", target], AnswersWithin), ct);
            }
        }
    }

    /// <summary>As the kernel's list says, which is read without touching the file system itself.</summary>
    private async Task<bool> IsMountedAsync(CancellationToken ct)
    {
        var mounts = (await shell.RunAsync(new("cat", ["/proc/self/mountinfo"], AnswersWithin), ct)).Output;
        return mounts.Split('\n').Select(l => l.Split(' ')).Any(l => l.Length > MountPoint && l[MountPoint] == target);
    }

    private void DemandTool()
    {
        if (!File.Exists($"/sbin/mount.{Tool}"))
        {
            throw PoolErrors.ToolMissing(source, $"mount.{Tool}", Package);
        }
    }

    /// <summary>
    /// QEMU locks ranges inside of a disk, which a server of SMB takes for locks that keep others from reading there (<c>nobrl</c> keeps them on this node);
    /// and such a server knows no owners of files as this node has them, so all files have one.
    /// </summary>
    private string Options()
    {
        var version = options.Protocol is { } protocol ? $",vers={protocol}" : "";
        return kind switch
        {
            PoolKind.Nfs => $"{Always},hard,proto=tcp,timeo=600,retrans=2,retry=0{version}",
            PoolKind.Cifs => $"{Always},hard,nobrl,uid=0,gid={toolGid.ToString(CultureInfo.InvariantCulture)},forceuid,forcegid,file_mode=0660,dir_mode=0711{version},{(options.Credentials is null ? "guest" : $"credentials={PoolCredentials.Demand(credentials, options.Credentials, "its user and password", source)}")}",
            _ => Always,
        };
    }

    [GeneratedRegex(@"\A([A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9a-fA-F:.]{2,45}\]):/[A-Za-z0-9._+@$/-]{0,500}\z")]
    private static partial Regex Export();

    [GeneratedRegex(@"\A//[A-Za-z0-9][A-Za-z0-9.-]{0,252}(/[A-Za-z0-9._+@$-]{1,100}){1,16}\z")]
    private static partial Regex Share();

    [GeneratedRegex(@"\A[0-9](\.[0-9]){0,2}\z")]
    private static partial Regex Version();
}
