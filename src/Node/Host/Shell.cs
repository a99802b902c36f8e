using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Gantry.Node.Host;

/// <summary>Runs commands through <c>setpriv</c> and <c>env</c>, which set the user and give SIGPIPE back its meaning (.NET leaves it ignored).</summary>
public sealed class Shell(TimeProvider time) : IShell
{
    private const int LongestLine = 4096;

    public async Task<CommandResult> RunAsync(Command command, CancellationToken ct)
    {
        using var process = new Process { StartInfo = StartInfo(command) };
        using var deadline = new CancellationTokenSource(command.Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, deadline.Token);
        try
        {
            await (command.EndsWithDaemon ? Births.StartAsync(process) : Task.FromResult(process.Start()));
        }
        catch (Win32Exception e)
        {
            throw new CommandFailed($"{command.Program} could not be started: {e.Message}", null, "", e);
        }

        try
        {
            var output = ReadAsync(process.StandardOutput, command, either.Token);
            var errors = ReadAsync(process.StandardError, command, either.Token);
            if (command.Input is { } input)
            {
                await WriteAsync(process.StandardInput, input, either.Token);
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
        foreach (var argument in Before(command))
        {
            info.ArgumentList.Add(argument);
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

    /// <summary>Who it is to be. A change of user clears the wish to die with the parent, so that comes last (prctl(2)).</summary>
    private static IEnumerable<string> Before(Command command)
    {
        string[] death = command.EndsWithDaemon ? ["--pdeathsig=KILL"] : [];
        return command switch
        {
            { Confinement: { } confinement } => confinement.Before(death),
            { User: { } user } => ["setpriv", $"--reuid={user}", $"--regid={user}", "--init-groups", "--inh-caps=-all", "--no-new-privs", .. death, "--"],
            { EndsWithDaemon: true } => ["setpriv", .. death, "--"],
            _ => [],
        };
    }

    /// <summary>Reads to the end, keeping the first <see cref="Command.KeptCharacters"/>.</summary>
    private static async Task<string> ReadAsync(StreamReader reader, Command command, CancellationToken ct)
    {
        var text = new StringBuilder();
        var line = new StringBuilder();
        var buffer = new char[8192];
        while (await reader.ReadAsync(buffer, ct) is var read and > 0)
        {
            text.Append(buffer, 0, Math.Min(read, command.KeptCharacters - text.Length));
            for (var i = 0; command.Heard is not null && i < read; i++)
            {
                if (buffer[i] is not ('\n' or '\r'))
                {
                    line.Append(buffer, i, line.Length < LongestLine ? 1 : 0);
                }
                else if (line.Length > 0)
                {
                    command.Heard(line.ToString());
                    line.Clear();
                }
            }
        }

        return text.ToString();
    }

    /// <summary>A command that ends without reading all of it says more by how it ends than by the broken pipe.</summary>
    private static async Task WriteAsync(StreamWriter writer, string input, CancellationToken ct)
    {
        try
        {
            await writer.WriteAsync(input.AsMemory(), ct);
        }
        catch (IOException)
        {
        }
    }

    private static string LastLines(string text) =>
        string.Join(" / ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(3));

    /// <summary>
    /// One thread that never ends starts what is to end with the daemon: the kernel takes the end of the thread that forked
    /// for the parent's death, and threads of the pool come and go.
    /// </summary>
    private static class Births
    {
        private static readonly BlockingCollection<(Process Process, TaskCompletionSource<bool> Started)> Waiting = [];

        static Births() => new Thread(Loop) { IsBackground = true, Name = "process births" }.Start();

        public static Task<bool> StartAsync(Process process)
        {
            var started = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            Waiting.Add((process, started));
            return started.Task;
        }

        private static void Loop()
        {
            foreach (var (process, started) in Waiting.GetConsumingEnumerable())
            {
                try
                {
                    started.SetResult(process.Start());
                }
                catch (Win32Exception e)
                {
                    started.SetException(e);
                }
            }
        }
    }
}
