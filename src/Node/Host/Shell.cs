using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Gantry.Node.Host;

/// <summary>Runs commands through <c>setpriv</c> and <c>env</c>, which set the user and give SIGPIPE back its meaning (.NET leaves it ignored).</summary>
public sealed class Shell(TimeProvider time) : IShell
{
    private const int KeptCharacters = 4 << 20;

    public async Task<CommandResult> RunAsync(Command command, CancellationToken ct)
    {
        using var process = new Process { StartInfo = StartInfo(command) };
        using var deadline = new CancellationTokenSource(command.Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, deadline.Token);
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new CommandFailed($"{command.Program} could not be started: {e.Message}", null, "", e);
        }

        try
        {
            var output = ReadAsync(process.StandardOutput, either.Token);
            var errors = ReadAsync(process.StandardError, either.Token);
            if (command.Input is { } input)
            {
                await process.StandardInput.WriteAsync(input.AsMemory(), either.Token);
            }

            process.StandardInput.Close();
            await process.WaitForExitAsync(either.Token);
            var result = new CommandResult(await output, await errors);
            return process.ExitCode == 0
                ? result
                : throw new CommandFailed($"{command.Program} ended with {process.ExitCode}: {LastLines(result.Errors)}", process.ExitCode, result.Errors);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            throw new CommandFailed($"{command.Program} took longer than {command.Deadline.TotalSeconds:0} s and was ended.", null, "");
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    private static ProcessStartInfo StartInfo(Command command)
    {
        var info = new ProcessStartInfo
        {
            FileName = "/usr/bin/env",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = command.WorkingDirectory ?? "/",
        };
        info.ArgumentList.Add("--default-signal=PIPE");
        if (command.User is { } user)
        {
            foreach (var argument in (string[])["setpriv", $"--reuid={user}", $"--regid={user}", "--init-groups", "--inh-caps=-all", "--no-new-privs", "--"])
            {
                info.ArgumentList.Add(argument);
            }
        }

        info.ArgumentList.Add(command.Program);
        foreach (var argument in command.Arguments)
        {
            info.ArgumentList.Add(argument);
        }

        // Settings may be secrets, and are nobody's business but the daemon's.
        foreach (var own in info.Environment.Keys.Where(k => k.StartsWith("GANTRY_", StringComparison.Ordinal)).ToList())
        {
            info.Environment.Remove(own);
        }

        info.Environment["LC_ALL"] = "C.UTF-8";
        foreach (var (name, value) in command.Environment)
        {
            info.Environment[name] = value;
        }

        return info;
    }

    /// <summary>Reads to the end, keeping the first <see cref="KeptCharacters"/>: a tool gone mad must not fill the daemon's memory.</summary>
    private static async Task<string> ReadAsync(StreamReader reader, CancellationToken ct)
    {
        var text = new StringBuilder();
        var buffer = new char[8192];
        while (await reader.ReadAsync(buffer, ct) is var read and > 0)
        {
            text.Append(buffer, 0, Math.Min(read, KeptCharacters - text.Length));
        }

        return text.ToString();
    }

    private static string LastLines(string text) =>
        string.Join(" / ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(3));
}
