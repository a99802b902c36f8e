using System.CommandLine;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>Looking at instances: list, info, command-line.</summary>
internal static class Instances
{
    public static Command List(App app)
    {
        var filter = Lists.Filter();
        var limit = Lists.Limit();
        return new Verb("list", "Show the instances.",
            "gantry list", "gantry list --filter \"state eq running and name like 'web*'\"", "gantry list -q --filter \"kind eq microvm\"")
        {
            More = "As JSON every page of a long list is printed as the API answered it, each on a line of its own.",
        }.With(filter, limit).Runs(app, (parsed, session, ct) => Lists.ShowAsync(
            session, "/instances", WireJson.Default.PageInstance, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit),
            instance => instance.Name, instances => WriteTable(session, instances), ct));
    }

    public static Command Info(App app)
    {
        var name = Name.Of("instance", app, "/instances");
        return new Verb("info", "Show one instance.", "gantry info web1", "gantry info web1 -o yaml").With(name).Runs(app, (parsed, session, ct) =>
            session.ShowAsync($"/instances/{ApiClient.Escape(parsed.GetValue(name)!)}", WireJson.Default.Instance,
                instance => [instance.Name], instance => WriteCard(session, instance), ct));
    }

    public static Command CommandLine(App app)
    {
        var name = Name.Of("instance", app, "/instances");
        return new Verb("command-line", "Show how the driver started an instance.", "gantry command-line web1").With(name).Runs(app, (parsed, session, ct) =>
            session.ShowAsync($"/instances/{ApiClient.Escape(parsed.GetValue(name)!)}/command-line", WireJson.Default.DriverCommandLine,
                line => [line.Program], line => session.Out.WriteLine(Words.Clean(line.Text)), ct));
    }

    private static void WriteTable(Session session, IReadOnlyList<Instance> instances)
    {
        var table = new Table("NAME", "KIND", "STATE", ">SINCE", ">CPUS", ">MEMORY", "IMAGE", "ADDRESS", "DRIVER", ">AGE");
        foreach (var instance in instances)
        {
            table.Add(instance.Name, Words.Of(instance.Kind), Words.Of(instance.State), Words.Ago(instance.StateSince, session.Terminal.Time),
                instance.Cpus.ToString(CultureInfo.InvariantCulture), Sizes.Format(instance.MemoryBytes), instance.Image,
                instance.Nics?.Select(n => n.Address ?? n.Address6).FirstOrDefault(a => a is not null), instance.Driver,
                Words.Ago(instance.CreatedAt, session.Terminal.Time));
        }

        table.Write(session.Out);
    }

    private static string? CauseOf(Instance instance) =>
        instance.StopCause is { } stopped ? Words.Of(stopped) : instance.PauseCause is { } paused ? Words.Of(paused) : null;

    /// <summary>What it can be given while it runs; null where that is no more than it has.</summary>
    private static string? RoomOf(Instance instance) =>
        instance.MaxCpus > instance.Cpus || instance.MaxMemoryBytes > instance.MemoryBytes
            ? Changes.Describe(new(instance.MaxCpus ?? instance.Cpus, instance.MaxMemoryBytes ?? instance.MemoryBytes)) : null;

    private static void WriteCard(Session session, Instance instance)
    {
        var time = session.Terminal.Time;
        var observed = instance.Observed;
        new Card()
            .Add("Name", instance.Name)
            .Add("Id", instance.Id.ToString())
            .Add("Kind", Words.Of(instance.Kind))
            .Add("State", $"{Words.Of(instance.State)} for {Words.Ago(instance.StateSince, time)}")
            .Add("Cause", CauseOf(instance))
            .Add("Reason", instance.StateReason)
            .Add("Image", instance.Image)
            .Add("Stands on", instance.Parent is { } parent ? $"{parent.Name}{(parent.Snapshot is { } snapshot ? $"@{snapshot}" : "")}" : null)
            .Add("Template", instance.Template ? "yes" : null)
            .Add("Driver", instance.Driver)
            .Add("Node", instance.Node)
            .Add("CPUs", instance.Cpus.ToString(CultureInfo.InvariantCulture))
            .Add("Memory", Sizes.Format(instance.MemoryBytes))
            .Add("Next start", instance.Pending is { } pending ? $"{Changes.Describe(pending)}. {pending.Reason}" : null)
            .Add("Room for", RoomOf(instance))
            .Add("NICs", Words.Join((instance.Nics ?? []).Select(n => $"{n.Name} on {n.Network ?? "none"}{string.Concat(new[] { n.Address, n.Address6 }.OfType<string>().Select(a => $" {a}"))}")))
            .Add("Firmware", Words.Of(instance.Boot.Firmware ?? Firmware.Direct))
            .Add("Kernel", instance.Boot.Kernel)
            .Add("Initrd", instance.Boot.Initrd)
            .Add("Command line", instance.Boot.CommandLine)
            .Add("Auto-start", instance.AutoStart ? "yes" : "no")
            .Add("Labels", Words.Join(instance.Labels.OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => $"{label.Key}={label.Value}")))
            .Add("Description", instance.Description)
            .Add("Process", observed?.Pid?.ToString(CultureInfo.InvariantCulture))
            .Add("Uptime", observed?.UptimeSeconds is { } seconds ? Words.Span(seconds) : null)
            .Add("Accelerator", observed?.Accelerator)
            .Add("Created", Words.Time(instance.CreatedAt))
            .Add("Updated", Words.Time(instance.UpdatedAt))
            .Write(session.Out);
    }
}
