using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Host;

namespace Gantry.Daemon.Tests.Deploy;

/// <summary>One life of an installation, from a bare Debian to a purged one (installation.sh), for tests that look at its steps.</summary>
public sealed partial class InstallationRun : IAsyncLifetime
{
    /// <summary>What `./dev soak` has built: the installation, and what it is upgraded to.</summary>
    private const string Build = "GANTRY_BUILD", Upgrade = "GANTRY_UPGRADE";

    /// <summary>A file that gets what the guest wrote: docs/operate/systemd-run.log is one.</summary>
    private const string Log = "GANTRY_INSTALLATION_LOG";

    private readonly Dictionary<string, (int Code, string Said)> _steps = [];
    private string _console = "";

    public static string? WhyNot { get; } = Environment.GetEnvironmentVariable(Build) is null || Environment.GetEnvironmentVariable(Upgrade) is null
        ? $"`./dev soak` builds what is installed and names it in {Build} and {Upgrade}" : null;

    public string Findings { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        if (WhyNot is null)
        {
            using var root = new TestRoot();
            var guest = new SystemdGuest(root);
            await BringAsync(guest, "1", Build);
            await BringAsync(guest, "2", Upgrade);
            File.Copy(Path.Combine(AppContext.BaseDirectory, "Deploy/installation.sh"), $"{guest.Brought}/run");
            (Findings, _console) = await guest.RunAsync(CancellationToken.None);
            if (Environment.GetEnvironmentVariable(Log) is { } log)
            {
                await File.WriteAllTextAsync(log, Findings);
            }

            foreach (Match step in Step().Matches(Findings))
            {
                _steps[step.Groups["name"].Value] = (int.Parse(step.Groups["code"].Value, CultureInfo.InvariantCulture), step.Groups["said"].Value);
            }
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>What a step said; it must have gone well.</summary>
    public string Said(string step, int code = 0)
    {
        if (WhyNot is { } why)
        {
            Assert.Skip(why);
        }

        _steps.ShouldContainKey(step, $"The guest did not come so far.\n{Findings}\n{_console}");
        _steps[step].Code.ShouldBe(code, _steps[step].Said);
        return _steps[step].Said;
    }

    /// <summary>As the source tree has it: install.sh finds the build beside itself.</summary>
    private static async Task BringAsync(SystemdGuest guest, string name, string variable)
    {
        var artifacts = Directory.CreateDirectory($"{guest.Brought}/{name}/artifacts/dev").FullName;
        var build = Environment.GetEnvironmentVariable(variable)!;
        var shell = new Shell(TimeProvider.System);
        await shell.RunAsync(new("cp", ["-r", Path.Combine(AppContext.BaseDirectory, "deploy"), $"{guest.Brought}/{name}/deploy"], TimeSpan.FromMinutes(5)), default);
        await shell.RunAsync(new("cp", ["-r", build, $"{artifacts}/{Path.GetFileName(build)}"], TimeSpan.FromMinutes(5)), default);
        await File.WriteAllTextAsync($"{artifacts}/current", $"{Path.GetFileName(build)}\n");
    }

    [GeneratedRegex(@"^BEGIN (?<name>\w+)\n(?<said>.*?)^END \k<name> (?<code>\d+)$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Step();
}
