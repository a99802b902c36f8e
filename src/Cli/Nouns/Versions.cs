using System.CommandLine;
using System.Reflection;
using System.Text.Json;

namespace Gantry.Cli;

/// <summary><c>gantry version</c>: of this command; <c>gantry system</c> tells the daemon's.</summary>
internal static class Versions
{
    public static Command Build(App app) => new Verb("version", "Show this command's version (gantry system shows the daemon's).", "gantry version").Runs(app, WriteAsync);

    public static Option<bool> Flag() => Choose.Flag("--version", "Show this command's version.");

    public static Task<int> WriteAsync(ParseResult parsed, Session session, CancellationToken ct)
    {
        var whole = typeof(Versions).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
        string[] parts = [.. whole.Split('+', 2), ""];
        var (version, commit) = (parts[0], parts[1]);
        if (session.Format == OutputFormat.Table)
        {
            session.Out.WriteLine(session.Quiet ? version : commit.Length > 0 ? $"gantry {version} ({commit[..Math.Min(12, commit.Length)]})" : $"gantry {version}");
        }
        else
        {
            session.WriteDocument(System.Text.Encoding.UTF8.GetBytes(
                $"{{\"version\":\"{JsonEncodedText.Encode(version)}\",\"commit\":\"{JsonEncodedText.Encode(commit)}\"}}"));
        }

        return Task.FromResult(ExitCode.Done);
    }
}
