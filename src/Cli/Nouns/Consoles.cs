using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry console</c>.</summary>
internal static class Consoles
{
    private const string DefaultDetach = "^]";

    public static Command Build(App app)
    {
        var name = Name.Of("instance", app, "/instances");
        var viewOnly = Choose.Flag("--view-only", "Only look; nothing that is typed reaches the guest.");
        var noTail = Choose.Flag("--no-tail", "Begin with what comes from now on, not with the last it wrote.");
        var detach = Choose.Text("--detach-key", $"The key that leaves the console: ^ and a character for Ctrl with it, or none. Default {DefaultDetach}.", "KEY");
        detach.Validators.Add(result =>
        {
            if (KeyOf(result.GetValueOrDefault<string>()) is null)
            {
                result.AddError($"'{result.Tokens[0].Value}' is no key for --detach-key: accepted is ^ and a letter or one of @[\\]^_, or none.");
            }
        });
        var wait = Choose.Seconds("--wait", "When the input is no terminal: stay so long after its end. Default: until the guest has been quiet for 2 s, 30 s at most.");
        return new Verb("console", "Be at the serial console of a running instance.",
            "gantry console web1", "gantry console web1 --view-only", "echo reboot | gantry console web1 --wait 5")
        {
            More = "Several may be at one console. A daemon that restarts is waited for. Ends with 0 when detached or when the instance stops, 3 when it is deleted, 5 when it does not run.",
        }.With(name, viewOnly, noTail, detach, wait).Runs(app, (parsed, session, ct) => new ConsoleAttachment(session, parsed.GetValue(name)!, new()
        {
            ViewOnly = parsed.GetValue(viewOnly),
            TailBytes = parsed.GetValue(noTail) ? 0 : null,
        }, KeyOf(parsed.GetValue(detach) ?? DefaultDetach)!.Value, parsed.GetValue(wait)).RunAsync(ct));
    }

    /// <returns>The byte that the key sends; -1 for none; null for what is no key.</returns>
    private static int? KeyOf(string? key) => key switch
    {
        "none" => -1,
        ['^', >= '@' and <= '_' and var c] => c & 0x1f,
        ['^', >= 'a' and <= 'z' and var c] => c & 0x1f,
        _ => null,
    };
}
