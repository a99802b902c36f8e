using Gantry.Contracts;

namespace Gantry.Daemon.Tests.Support;

/// <summary>A daemon process with real QEMU on a root of its own. In the end no guest is left, whatever the test has come to (<see cref="TestRoot"/>).</summary>
internal sealed class RealMachines : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    private readonly TestRoot _root = new();

    private RealMachines(string database, Func<string, IReadOnlyList<string>>? around, string networks) =>
        Daemon = new DaemonProcess(_root.Path, database, driver: "qemu") { Around = around?.Invoke(_root.Path) ?? [], Networks = networks };

    public string Root => _root.Path;

    public DaemonProcess Daemon { get; }

    public ApiClient Api => Daemon.Api;

    /// <param name="around">From the root, a command around the daemon's.</param>
    /// <param name="networks">What sets networks up.</param>
    public static async Task<RealMachines> StartAsync(string database, Func<string, IReadOnlyList<string>>? around = null, string networks = "sim")
    {
        var machines = new RealMachines(database, around, networks);
        await machines.Daemon.StartAsync();
        return machines;
    }

    /// <summary>With the image <c>micro</c>.</summary>
    public static async Task<RealMachines> WithMicroAsync(string database, Func<string, IReadOnlyList<string>>? around = null, string networks = "sim")
    {
        var machines = await StartAsync(database, around, networks);
        await RunningDaemon.DoneAsync(machines.Api.BuildImageAsync(new("micro"), 120));
        return machines;
    }

    /// <summary>Made of <c>micro</c> and running.</summary>
    /// <param name="run">What the guest does when it is up, in its shell.</param>
    public async Task<Instance> LaunchAsync(string name, InstanceKind kind, string? run = null, IReadOnlyList<Volume>? volumes = null)
    {
        var commandLine = run is null ? null : $"quiet gantry.run={Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(run))}";
        await RunningDaemon.DoneAsync(Api.CreateInstanceAsync(
            new() { Name = name, Image = "micro", Kind = kind, Boot = commandLine is null ? null : new() { CommandLine = commandLine }, Volumes = volumes, StartNow = true }, 120));
        return await Api.GetInstanceAsync(name);
    }

    /// <summary>All a guest has said on its serial line, once that is in it.</summary>
    public async Task<string> SaysAsync(string name, string words)
    {
        for (var began = TimeProvider.System.GetTimestamp(); ; await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System))
        {
            var said = (await Api.GetLogsAsync(name)).Text;
            if (said.Contains(words, StringComparison.Ordinal) || TimeProvider.System.GetElapsedTime(began) > Patience)
            {
                said.ShouldContain(words);
                return said;
            }
        }
    }

    /// <summary>The daemon is killed at a step of an operation, and its next run ends that.</summary>
    /// <param name="target">The operation's, by name.</param>
    /// <param name="at">As <c>KIND:STEP:before</c> or <c>KIND:STEP:after</c>.</param>
    public async Task KilledAsync(string target, string at, Func<ApiClient, Task> begin)
    {
        await Daemon.KillAsync();
        await Daemon.StartAsync($"kill:{at}");
        await Eventually.ShouldBeAsync(async () => (await Api.GetHealthAsync()).Status, "ok");
        var asked = begin(Api);
        await Daemon.DeathAsync();
        (await Record.ExceptionAsync(() => asked)).ShouldNotBeNull();
        await Daemon.StartAsync();
        await Eventually.ShouldBeAsync(async () => (await Api.GetHealthAsync()).Status, "ok");
        var operation = (await Api.ListOperationsAsync($"?limit=1&target={target}")).Items.ShouldHaveSingleItem();
        operation.Kind.ShouldBe(at.Split(':')[0]);
        await RunningDaemon.DoneAsync(Api.GetOperationAsync(operation.Id, 120));
    }

    /// <summary>And that nothing of them is left.</summary>
    public async Task DeleteAsync(params IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(name, force: true, 120));
        }

        ShouldBeEmpty();
    }

    public void ShouldBeEmpty()
    {
        Directory.GetFileSystemEntries($"{Root}/data/instances").ShouldBeEmpty();
        Directory.GetFileSystemEntries($"{Root}/run/instances").ShouldBeEmpty();
    }

    public async ValueTask DisposeAsync()
    {
        await Daemon.DisposeAsync();
        _root.Dispose();
    }
}
