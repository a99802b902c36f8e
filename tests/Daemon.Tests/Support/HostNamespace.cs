using System.Diagnostics;
using System.Globalization;
using Gantry.Node.Host;

namespace Gantry.Daemon.Tests.Support;

/// <summary>
/// A network namespace for daemons to have for their host. It lives by a process that reads from the test run and so ends with it, however
/// that ends; nothing of it is ever seen by the machine.
/// </summary>
internal sealed class HostNamespace : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private readonly Process _keeper;

    private HostNamespace(Process keeper) => _keeper = keeper;

    /// <summary>A command around another, which is then in it.</summary>
    public IReadOnlyList<string> Around => ["nsenter", "--target", _keeper.Id.ToString(CultureInfo.InvariantCulture), "--net", "--"];

    public static async Task<HostNamespace> StartAsync()
    {
        var keeper = Process.Start(new ProcessStartInfo("unshare", ["--net", "--", "/bin/sh", "-c", "ip link set lo up && echo ready && exec cat"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        (await keeper.StandardOutput.ReadLineAsync().WaitAsync(Deadline)).ShouldBe("ready");
        return new(keeper);
    }

    /// <summary>What a command says that is run in it.</summary>
    /// <exception cref="CommandFailed"/>
    public async Task<string> RunAsync(params string[] command) =>
        (await new Shell(TimeProvider.System).RunAsync(new(Around[0], [.. Around.Skip(1), .. command], Deadline), default)).Output;

    public async ValueTask DisposeAsync()
    {
        _keeper.StandardInput.Close();
        await _keeper.WaitForExitAsync().WaitAsync(Deadline);
        _keeper.Dispose();
    }
}
