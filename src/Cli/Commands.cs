using System.CommandLine;

namespace Gantry.Cli;

/// <summary>The table of contents: every command, a line each.</summary>
internal static class Commands
{
    /// <summary>How `gantry --help` shows them.</summary>
    public static IReadOnlyList<(string Title, string[] Names)> Groups { get; } =
    [
        ("Every day", ["launch", "create", "list", "info", "start", "shutdown", "stop", "restart", "reset", "pause", "resume", "resize", "rename", "set", "clone", "promote", "cloud-init", "delete", "console", "logs", "command-line"]),
        ("What instances are made from", ["image", "template"]),
        ("What they are plugged into", ["network", "nic", "forward", "policy"]),
        ("Where their data lies", ["volume", "snapshot", "pool", "quota"]),
        ("What happens by itself", ["schedule"]),
        ("What is going on", ["operation", "events"]),
        ("This host and its daemon", ["doctor", "driver", "node", "system", "config"]),
        ("For scripts", ["query", "completion", "version"]),
    ];

    public static RootCommand Of(App app)
    {
        var root = new RootCommand("Gantry runs virtual machines and microVMs; this is its command line.")
        {
            Launch.Launching(app),
            Launch.Creating(app),
            Instances.List(app),
            Instances.Info(app),
            Power.Start(app),
            Power.Shutdown(app),
            Power.Stop(app),
            Power.Restart(app),
            Power.Reset(app),
            Power.Pause(app),
            Power.Resume(app),
            Changes.Resize(app),
            Changes.Rename(app),
            Changes.Set(app),
            Clones.Clone(app),
            Clones.Promote(app),
            CloudInits.Build(app),
            Power.Delete(app),
            Consoles.Build(app),
            Logs.Build(app),
            Instances.CommandLine(app),
            Images.Build(app),
            Templates.Build(app),
            Networks.Build(app),
            Nics.Build(app),
            Forwards.Build(app),
            Policies.Build(app),
            Volumes.Build(app),
            Snapshots.Build(app),
            Pools.Build(app),
            Quotas.Build(app),
            Schedules.Build(app),
            Operations.Build(app),
            EventStream.Build(app),
            Doctor.Build(app),
            Drivers.Build(app),
            Nodes.Build(app),
            Systems.Build(app),
            Config.Build(app),
            Query.Build(app),
            Completion.Build(app),
            Completion.Candidates(app),
            Versions.Build(app),
        };
        root.Options.Remove(root.Options.OfType<VersionOption>().Single());
        var version = Versions.Flag();
        root.Add(version);
        foreach (var option in app.Globals.All)
        {
            root.Add(option);
        }

        root.SetAction((parsed, ct) => parsed.GetValue(version)
            ? app.RunAsync(parsed, Versions.WriteAsync, ct)
            : Task.FromResult(Help.Write(app.Terminal.Out, root, app.Globals, app.Terminal.OutIsTerminal ? app.Terminal.Width() : 100)));
        return root;
    }
}
