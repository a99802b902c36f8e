using System.Diagnostics;
using System.Globalization;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>
/// A network namespace of a test's own, with a /sys that shows it. It lives by a process that reads from the test run, and so ends with it
/// however that ends; nothing of it is ever seen by the machine.
/// </summary>
internal sealed class PacketNamespace : IShell, IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);
    private readonly Process _keeper;
    private readonly Shell _shell = new(TimeProvider.System);

    private PacketNamespace(Process keeper) => _keeper = keeper;

    public string Pid => _keeper.Id.ToString(CultureInfo.InvariantCulture);

    public static async Task<PacketNamespace> StartAsync()
    {
        const string ready = "mount -t sysfs sysfs /sys && ip link set lo up && echo ready && exec cat";
        var keeper = Process.Start(new ProcessStartInfo("unshare", ["--net", "--mount", "--", "/bin/sh", "-c", ready])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        var space = new PacketNamespace(keeper);
        (await keeper.StandardOutput.ReadLineAsync().WaitAsync(Deadline)).ShouldBe("ready");
        return space;
    }

    public async ValueTask DisposeAsync()
    {
        _keeper.StandardInput.Close();
        await _keeper.WaitForExitAsync().WaitAsync(Deadline);
        _keeper.Dispose();
    }

    /// <summary>What others start in it.</summary>
    public IReadOnlyList<string> Enter(string program, params IEnumerable<string> arguments) => ["--target", Pid, "--net", "--mount", "--", program, .. arguments];

    public Task<CommandResult> RunAsync(Command command, CancellationToken ct) =>
        _shell.RunAsync(command with { Program = "nsenter", Arguments = Enter(command.Program, command.Arguments) }, ct);

    public async Task<string> RunAsync(string program, params string[] arguments) => (await RunAsync(new Command(program, arguments, Deadline), default)).Output;

    /// <summary>Each line is what would follow <c>ip</c>.</summary>
    public Task LinksAsync(params IEnumerable<string> lines) => RunAsync(new Command("ip", ["-batch", "-"], Deadline, Input: string.Join('\n', lines) + "\n"), default);

    public Task NftAsync(string script) => RunAsync(new Command("nft", ["-f", "-"], Deadline, Input: script), default);
}
