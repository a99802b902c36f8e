using System.CommandLine;
using System.Diagnostics;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>
/// <c>gantry config</c>. Checking is done by the daemon's own program, because a daemon with a bad file may not be running to be asked;
/// showing asks the running daemon, and its program when none runs.
/// </summary>
internal static class Config
{
    private const string Installed = "/usr/lib/gantry/daemon/gantryd";

    public static Command Build(App app) => new Verb("config", "See and check the daemon's configuration.", "gantry config show", "gantry config check")
        .With(Check(app), Show(app));

    private static Verb Check(App app)
    {
        var file = new Argument<string?>("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "The file to check. The one the daemon would read when left out." };
        return new Verb("check", "Check a configuration file without a running daemon.", "gantry config check", "gantry config check ./gantry.yaml")
            .With(file).Runs(app, (parsed, session, ct) =>
            {
                string[] last = parsed.GetValue(file) is { } path ? [Path.GetFullPath(path)] : [];
                return RunAsync(session, "check", last, session.Terminal.Raw, ct);
            });
    }

    private static Verb Show(App app) => new Verb("show", "Show every setting, its value and where that came from.", "gantry config show")
        .Runs(app, async (_, session, ct) =>
        {
            byte[] answer;
            try
            {
                answer = await session.SendAsync(HttpMethod.Get, "/system/config", null, ct);
            }
            catch (Refusal refusal) when (refusal.Code == "daemon.unreachable" && Program(session) is not null)
            {
                session.Terminal.Error.WriteLine("No daemon answers; this is what one would start with.");
                using var shown = new MemoryStream();
                if (await RunAsync(session, "show", [], shown, ct) is not ExitCode.Done and var code)
                {
                    return code;
                }

                answer = shown.ToArray();
            }

            session.Show(answer, WireJson.Default.Settings, settings => settings.Items.Select(setting => setting.Name), settings =>
            {
                var table = new Table("SETTING", "VALUE", "FROM", "DESCRIPTION");
                foreach (var setting in settings.Items)
                {
                    table.Add(setting.Name, setting.Value.ToString(), setting.Source, setting.Description);
                }

                table.Write(session.Out);
            });
            return ExitCode.Done;
        });

    private static async Task<int> RunAsync(Session session, string verb, string[] last, Stream output, CancellationToken ct)
    {
        var program = Program(session) ?? throw new Refusal("config.no_daemon_program", 404,
            $"gantryd was found neither beside gantry, nor as {Installed}, nor in PATH.", "Install the daemon's package, or put gantryd in PATH.");
        string[] root = session.Root is { } directory ? ["--root", directory] : [];
        var start = new ProcessStartInfo(program, ["config", verb, .. root, .. last]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        try
        {
            var errors = process.StandardError.ReadToEndAsync(ct);
            await process.StandardOutput.BaseStream.CopyToAsync(output, ct);
            session.Terminal.Error.Write(await errors);
            await process.WaitForExitAsync(ct);
            return process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }

    private static string? Program(Session session) =>
        (session.Terminal.Environment("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Select(folder => Path.Combine(folder, "gantryd"))
            .Prepend(Installed)
            .Prepend(Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../daemon/gantryd")))
            .Prepend(Path.Combine(AppContext.BaseDirectory, "gantryd"))
            .FirstOrDefault(File.Exists);
}
