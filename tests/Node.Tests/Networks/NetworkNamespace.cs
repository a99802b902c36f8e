using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Gantry.Node.Host;
using Microsoft.Win32.SafeHandles;

namespace Gantry.Node.Tests.Networks;

/// <summary>
/// A host of a test's own: namespaces for network, mounts and processes, which hold nothing but a loopback device at first. A process that
/// reads from this one keeps them: it ends with this one at the latest, and all that runs in them with it.
/// </summary>
internal sealed partial class NetworkNamespace : IAsyncDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromMinutes(2);
    private readonly Process _keeper;
    private readonly Shell _shell = new(TimeProvider.System);

    private NetworkNamespace(Process keeper, int pid)
    {
        (_keeper, Pid) = (keeper, pid);
        Shell = new Inside(_shell, this);
    }

    /// <summary>The process that keeps the namespaces, as the test sees it.</summary>
    public int Pid { get; }

    /// <summary>Runs commands in it.</summary>
    public IShell Shell { get; }

    /// <summary>Its network, by a name that holds wherever the test's /proc is seen.</summary>
    public string Network => $"/proc/{Pid}/ns/net";

    public static async Task<NetworkNamespace> MakeAsync()
    {
        // /proc stays that of the test, so the shell reads there which number the test knows it by.
        const string keep = "mount -t sysfs sysfs /sys && ip link set lo up && read pid rest </proc/self/stat && echo $pid && read end";
        var info = new ProcessStartInfo("unshare") { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in (string[])["--net", "--mount", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c", keep])
        {
            info.ArgumentList.Add(argument);
        }

        var keeper = Process.Start(info)!;
        using var deadline = new CancellationTokenSource(Soon, TimeProvider.System);
        return new(keeper, int.Parse((await keeper.StandardOutput.ReadLineAsync(deadline.Token))!, CultureInfo.InvariantCulture));
    }

    /// <summary>What <c>nsenter</c> is told to start a program in it.</summary>
    public IReadOnlyList<string> Enter(string program, params IEnumerable<string> arguments) => ["-t", $"{Pid}", "-n", "-m", "-p", "--", program, .. arguments];

    /// <summary>Each line is what would follow <c>ip</c>.</summary>
    public Task LinksAsync(params IEnumerable<string> lines) => Shell.RunAsync(new("ip", ["-batch", "-"], Soon, Input: string.Join('\n', lines) + "\n"), CancellationToken.None);

    public Task NftAsync(string script) => Shell.RunAsync(new("nft", ["-f", "-"], Soon, Input: script), CancellationToken.None);

    /// <summary>Runs a command in it, and says what it wrote.</summary>
    public async Task<string> RunAsync(params string[] command) => (await Shell.RunAsync(new(command[0], command[1..], Soon), CancellationToken.None)).Output;

    /// <summary>Whether the command ends well.</summary>
    public async Task<bool> TryAsync(params string[] command)
    {
        try
        {
            await RunAsync(command);
            return true;
        }
        catch (CommandFailed failed) when (failed.ExitCode is not null)
        {
            return false;
        }
    }

    /// <summary>Runs a command again until it ends well and what it wrote is as it should be.</summary>
    public async Task<string> UntilAsync(Func<string, bool> isRight, params string[] command)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var said = "";
            try
            {
                if (isRight(said = await RunAsync(command)))
                {
                    return said;
                }
            }
            catch (CommandFailed failed) when (failed.ExitCode is not null && TimeProvider.System.GetElapsedTime(began) < Soon)
            {
                said = failed.Message;
            }

            TimeProvider.System.GetElapsedTime(began).ShouldBeLessThan(Soon, $"{string.Join(' ', command)} says\n{said}");
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }
    }

    /// <summary>A cable between the two; both ends are down yet.</summary>
    public Task JoinAsync(string device, NetworkNamespace other, string otherDevice, string? otherMac = null) => _shell.RunAsync(
        new(
            "nsenter",
            [
                "-t", $"{Pid}", "-n", "--", "ip", "link", "add", "name", device, "type", "veth",
                "peer", "name", otherDevice, .. otherMac is null ? [] : (string[])["address", otherMac], "netns", $"{other.Pid}",
            ],
            Soon),
        CancellationToken.None);

    /// <summary>Does it on a thread that is in the namespace: a socket stays where it was made.</summary>
    public Task<T> DoAsync<T>(Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                using var space = File.OpenHandle(Network);
                done.SetResult(setns(space, 0x40000000) == 0 ? work() : throw new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())));
            }
#pragma warning disable CA1031 // the test that waits gets it
            catch (Exception e)
            {
                done.SetException(e);
            }
#pragma warning restore CA1031
        }) { IsBackground = true }.Start();
        return done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        _keeper.StandardInput.Close();
        using var deadline = new CancellationTokenSource(Soon, TimeProvider.System);
        await _keeper.WaitForExitAsync(deadline.Token);
        _keeper.Dispose();
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setns(SafeFileHandle space, int type);

    private sealed class Inside(IShell shell, NetworkNamespace space) : IShell
    {
        public Task<CommandResult> RunAsync(Command command, CancellationToken ct) =>
            shell.RunAsync(command with { Program = "nsenter", Arguments = space.Enter(command.Program, command.Arguments) }, ct);
    }
}
