using System.CommandLine;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry system</c>: the daemon itself.</summary>
internal static class Systems
{
    public static Command Build(App app) => new Verb("system", "Show the daemon: version, node, addresses.", "gantry system").Runs(app, (_, session, ct) =>
        session.ShowAsync("/system", WireJson.Default.SystemInfo, system => [system.Node], system => new Card()
            .Add("Version", system.Version)
            .Add("Node", $"{system.Node} ({system.NodeId})")
            .Add("Root", system.Root)
            .Add("HTTPS", system.HttpsUrl ?? "off")
            .Add("Certificate", $"SHA-256 {system.CertificateSha256}")
            .Add("Started", $"{Words.Time(system.StartedAt)} ({Words.Ago(system.StartedAt, session.Terminal.Time)} ago)")
            .Add("Process", system.Pid.ToString(CultureInfo.InvariantCulture))
            .Write(session.Out), ct));
}
