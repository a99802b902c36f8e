using System.Diagnostics;
using System.Globalization;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Pools;

/// <summary>
/// File systems of a test's own, in a namespace for mounts, processes and a network of its own. A process that reads from this one keeps it: it ends with this one at
/// the latest, and the mounts, loop devices and daemons in it with it. What is mounted in it is seen from here below <see cref="Seen"/>.
/// </summary>
internal sealed class StorageHost : IAsyncDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromMinutes(2);
    private readonly Process _keeper;

    private StorageHost(Process keeper, int pid, string folder)
    {
        (_keeper, Folder) = (keeper, folder);
        Root = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/root");
        Shell = new Inside(new Shell(TimeProvider.System), pid, Root, folder);
        Networked = new OnNetwork(new Shell(TimeProvider.System), pid);
    }

    /// <summary>A folder on the machine's own file system, the same in the namespace and outside.</summary>
    public string Folder { get; }

    public string Root { get; }

    /// <summary>That folder with what is mounted in it.</summary>
    public string Seen => $"{Root}{Folder}";

    /// <summary>Runs commands in it.</summary>
    public IShell Shell { get; }

    /// <summary>Runs commands on its network, with the machine's own files and processes: what outlives a command does so there.</summary>
    public IShell Networked { get; }

    /// <param name="script">For /bin/sh in the folder; its mounts are kept.</param>
    public static async Task<StorageHost> MakeAsync(string script)
    {
        var folder = TestRoot.NewFolder();
        var keep = $"set -e; mount --make-rprivate /; read pid rest </proc/self/stat; mount -t proc proc /proc; cd '{folder}'; {script}\necho ready $pid; read end";
        var info = new ProcessStartInfo("unshare") { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in (string[])["--mount", "--net", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c", keep])
        {
            info.ArgumentList.Add(argument);
        }

        var keeper = Process.Start(info)!;
        using var deadline = new CancellationTokenSource(Soon, TimeProvider.System);
        string? said;
        do
        {
            said = await keeper.StandardOutput.ReadLineAsync(deadline.Token) ?? throw new IOException("The storage host did not come up; its standard error says why.");
        }
        while (!said.StartsWith("ready ", StringComparison.Ordinal));

        return new(keeper, int.Parse(said["ready ".Length..], CultureInfo.InvariantCulture), folder);
    }

    public async ValueTask DisposeAsync()
    {
        _keeper.StandardInput.Close();
        using var deadline = new CancellationTokenSource(Soon, TimeProvider.System);
        await _keeper.WaitForExitAsync(deadline.Token);
        _keeper.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private sealed class OnNetwork(IShell shell, int pid) : IShell
    {
        public Task<CommandResult> RunAsync(Command command, CancellationToken ct) => shell.RunAsync(
            command with
            {
                Program = "nsenter",
                Arguments = ["-t", pid.ToString(CultureInfo.InvariantCulture), "-n", "--", .. command.Confinement?.Before([]) ?? [], command.Program, .. command.Arguments],
                Confinement = null,
            },
            ct);
    }

    /// <summary>A path as it is seen from here is told to a command as it is inside, and the other way round.</summary>
    private sealed class Inside(IShell shell, int pid, string root, string folder) : IShell
    {
        public async Task<CommandResult> RunAsync(Command command, CancellationToken ct)
        {
            IReadOnlyList<string> arguments = [.. command.Confinement?.Before([]) ?? [], command.Program, .. command.Arguments.Select(a => a.Replace(root, "", StringComparison.Ordinal))];
            var result = await shell.RunAsync(
                command with { Program = "nsenter", Arguments = ["-t", pid.ToString(CultureInfo.InvariantCulture), "-m", "-n", "-p", "--", .. arguments], Confinement = null }, ct);
            return result with { Output = result.Output.Replace(folder, $"{root}{folder}", StringComparison.Ordinal) };
        }
    }
}
