using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Isolation;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gantry.Node.Tests;

/// <summary>A root of a test's own under /tmp. Disposing it ends what runs in it; what a killed test run left is swept by the next one.</summary>
internal sealed class TestRoot : IAsyncDisposable
{
    private const string Prefix = "/tmp/gantry-tests-";

    private readonly string _folder;

    static TestRoot() => SweepStale();

    /// <param name="change">What is other than usual.</param>
    public TestRoot(Func<NodeContext, NodeContext>? change = null)
    {
        _folder = NewFolder();
        var context = NodeContext.Open(GantryRoot.At(_folder), TimeProvider.System, NullLoggerFactory.Instance);
        Context = change?.Invoke(context) ?? context;
    }

    public NodeContext Context { get; }

    public string Path => Context.Root.Path;

    /// <summary>A folder that is swept by the next test run, for what several tests of this one share.</summary>
    public static string NewFolder()
    {
        var path = Directory.CreateTempSubdirectory("gantry-tests-").FullName;
        File.SetUnixFileMode(path, (UnixFileMode)0b111_001_001);
        File.WriteAllText($"{path}/owner", string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId} {HostProcess.StartOf(Environment.ProcessId)}"));
        return path;
    }

    /// <summary>Gives an instance its folder and user id, as the node does.</summary>
    public async Task<InstanceSpec> DefineAsync(InstanceSpec spec)
    {
        await using var node = new LocalNode(Context);
        await node.DefineAsync(spec, CancellationToken.None);
        return Context.Folders.Read(spec.Id);
    }

    public async ValueTask DisposeAsync()
    {
        await EndAllAsync(_folder);
        Clean(_folder);
    }

    private static void SweepStale()
    {
        foreach (var root in Directory.GetDirectories("/tmp", "gantry-tests-*"))
        {
            var owner = File.Exists($"{root}/owner") ? File.ReadAllText($"{root}/owner").Split(' ') : null;
            if (owner is [var pid, var start] && HostProcess.StartOf(int.Parse(pid, CultureInfo.InvariantCulture)) != long.Parse(start, CultureInfo.InvariantCulture))
            {
                try
                {
                    EndAllAsync(root).GetAwaiter().GetResult();
                    Clean(root);
                }
                catch (IOException)
                {
                    // Another test run sweeps at the same time.
                }
            }
        }
    }

    private static async Task EndAllAsync(string root)
    {
        foreach (var run in Directory.Exists($"{root}/run/instances") ? Directory.GetDirectories($"{root}/run/instances") : [])
        {
            if (await QemuProcess.FindAsync(run, TimeProvider.System) is { } process)
            {
                process.Kill();
                await process.Ended.WaitAsync(TimeSpan.FromSeconds(30));
                await process.SettleAsync(TimeProvider.System);
            }
        }
    }

    private static void Clean(string root)
    {
        if (!root.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return;
        }

        // What has just ended may count as a member for a moment yet.
        SpinWait.SpinUntil(new Cgroups(GantryRoot.At(root), TimeProvider.System).Sweep, TimeSpan.FromSeconds(5));
        Directory.Delete(root, recursive: true);
    }
}
