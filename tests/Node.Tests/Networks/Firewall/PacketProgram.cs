using System.Diagnostics;
using System.Threading.Channels;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>The program of <c>packets.c</c> in a namespace, compiled once for a test run.</summary>
internal sealed class PacketProgram : IAsyncDisposable
{
    private static readonly Lazy<string> Compiled = new(Compile);
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);
    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();

    private readonly List<byte[]> _received = [];

    private PacketProgram(Process process) => _process = process;

    public static string Path => Compiled.Value;

    /// <summary>Frames of a device: see <see cref="SendAsync"/> and <see cref="UntilAsync"/>.</summary>
    public static Task<PacketProgram> FramesAsync(NetworkNamespace where, string device) => StartAsync(where, "frames", device);

    /// <summary>Answers on the ports, TCP and UDP.</summary>
    public static Task<PacketProgram> AnswerAsync(NetworkNamespace where, params IEnumerable<int> ports) => StartAsync(where, ["answer", .. ports.Select(p => $"{p}")]);

    /// <summary>All of it has been sent when this comes back; what was received meanwhile is kept.</summary>
    public async Task SendAsync(params IEnumerable<byte[]> frames)
    {
        foreach (var frame in frames)
        {
            await _process.StandardInput.WriteLineAsync(Convert.ToHexStringLower(frame));
        }

        await _process.StandardInput.WriteLineAsync("!");
        await _process.StandardInput.FlushAsync();
        await ReadAsync(line => line == "!");
    }

    /// <summary>What was received since this was last called, up to a frame that ends with these bytes.</summary>
    public async Task<List<byte[]>> UntilAsync(byte[] end)
    {
        if (!_received.Any(f => f.AsSpan().EndsWith(end)))
        {
            var text = Convert.ToHexStringLower(end);
            await ReadAsync(line => line.EndsWith(text, StringComparison.Ordinal));
        }

        var all = _received.ToList();
        _received.Clear();
        return all;
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync().WaitAsync(Deadline);
        _process.Dispose();
    }

    private static async Task<PacketProgram> StartAsync(NetworkNamespace where, params string[] arguments)
    {
        var start = new ProcessStartInfo("nsenter", where.Enter(Path, arguments)) { RedirectStandardInput = true, RedirectStandardOutput = true };
        var program = new PacketProgram(Process.Start(start)!);
        _ = program.ListenAsync();
        await program.ReadAsync(line => line == "ready");
        return program;
    }

    private async Task ListenAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            _lines.Writer.TryWrite(line);
        }

        _lines.Writer.Complete();
    }

    private async Task ReadAsync(Func<string, bool> last)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (await _lines.Reader.ReadAsync(deadline.Token) is var line && !last(line))
        {
            _received.Add(Convert.FromHexString(line));
        }
    }

    private static string Compile()
    {
        var folder = TestRoot.NewFolder();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        var program = $"{folder}/packets";
        using var compiler = Process.Start("gcc", ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, $"{AppContext.BaseDirectory}/Networks/Firewall/packets.c"]);
        compiler.WaitForExit();
        compiler.ExitCode.ShouldBe(0);
        return program;
    }
}
