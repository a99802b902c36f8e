using System.Globalization;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Isolation;

/// <summary>Programs in QEMU's place, started by the launcher in a test's root.</summary>
internal sealed class LaunchedProcess(TestRoot root, int uid, string name = "launched")
{
    public string Run => $"{root.Path}/run/instances/{name}";

    /// <summary>What it wrote.</summary>
    public string Log => $"{root.Path}/{name}.log";

    public string Serial => $"{root.Path}/{name}.serial";

    public int Pid => Number(0);

    public int Supervisor => Number(2);

    /// <param name="before">A command around the launcher.</param>
    public async Task<LaunchedProcess> StartAsync(IEnumerable<string> options, IEnumerable<string> command, IEnumerable<string>? before = null)
    {
        Directory.CreateDirectory(Run, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var launch = new LaunchCommand(root.Context.Launcher, uid, Run, Serial, Log, [.. command]) { Before = [.. before ?? []], Options = [.. options] };
        await root.Context.Shell.RunAsync(launch.Within(TimeSpan.FromMinutes(5)), default);
        return this;
    }

    public Task<LaunchedProcess> StartScriptAsync(string script, params string[] options) => StartAsync(options, ["/bin/sh", "-c", script]);

    /// <summary>All it wrote, once the supervisor has written how it ended.</summary>
    public async Task<string> EndedAsync()
    {
        await UntilAsync(() => File.ReadAllText($"{Run}/exit").Contains('\n', StringComparison.Ordinal));
        return await File.ReadAllTextAsync(Log);
    }

    /// <summary>Once it has written that.</summary>
    public Task SaidAsync(string words) => UntilAsync(() => File.ReadAllText(Log).Contains(words, StringComparison.Ordinal));

    public async Task EndAsync()
    {
        if (await QemuProcess.FindAsync(Run, TimeProvider.System) is { } process)
        {
            process.Kill();
            await process.SettleAsync(TimeProvider.System);
            process.Dispose();
        }
    }

    private int Number(int field) => int.Parse(File.ReadAllText($"{Run}/pids").Split(' ')[field], CultureInfo.InvariantCulture);

    private static async Task UntilAsync(Func<bool> come)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        while (!come())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
        }
    }
}
