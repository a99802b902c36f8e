using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Daemon.Tests.Support;

/// <summary>Root's shell of a Debian guest, on its serial line.</summary>
internal sealed class GuestShell : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private static int _commands;

    private readonly ConsoleTypist _console;

    private GuestShell(ConsoleTypist console) => _console = console;

    /// <summary>Signs in, once the guest asks for it: a line of nothing makes it ask again.</summary>
    public static async Task<GuestShell> SignInAsync(ApiClient api, string instance, string host, string user, string password)
    {
        var shell = await GoOnAsync(api, instance);
        var asked = shell._console.WaitForAsync($"{host} login: ");
        while (await Task.WhenAny(asked, Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System)) != asked)
        {
            await shell._console.TypeAsync("\n");
        }

        await asked;
        await shell._console.TypeAsync($"{user}\n");
        await shell._console.WaitForAsync("Password: ");
        await shell._console.TypeAsync($"{password}\n");
        await shell._console.WaitForAsync($"{user}@{host}:~$ ");
        await shell._console.TypeAsync("exec sudo -i\n");
        await shell._console.WaitForAsync($"root@{host}:~# ");

        // What the kernel says, what is typed and what an editor of lines draws would stand between the answers.
        await shell._console.TypeAsync("dmesg -n 1; stty -echo; PS1= PS2= exec dash\n");
        await shell.RunAsync("true");
        return shell;
    }

    /// <summary>Goes on with the shell that somebody signed in to before.</summary>
    public static async Task<GuestShell> GoOnAsync(ApiClient api, string instance) =>
        new(new ConsoleTypist(await api.ConnectConsoleAsync(await api.OpenConsoleAsync(instance, new() { TailBytes = 0 })), Patience));

    /// <summary>What a command says; it has to succeed.</summary>
    public async Task<string> RunAsync(string command)
    {
        var number = Interlocked.Increment(ref _commands).ToString(CultureInfo.InvariantCulture);
        var from = _console.Seen.Length;
        await _console.TypeAsync($"{command}\necho end''{number} $?.\n");
        await _console.WaitForAsync($"end{number} ");
        var to = _console.Seen.LastIndexOf($"end{number} ", StringComparison.Ordinal);
        await _console.WaitForAsync(".");
        var said = _console.Seen[from..to].Replace("\r", "", StringComparison.Ordinal).Trim();
        _console.Seen[to..].ShouldStartWith($"end{number} 0.", customMessage: $"{command}: {said}");
        return said;
    }

    public ValueTask DisposeAsync() => _console.DisposeAsync();
}
