using System.Runtime.InteropServices;

namespace Gantry.Cli;

/// <summary>
/// The terminal hands over every key as it is pressed, Ctrl-C too, and shows nothing by itself; disposing restores it. So does every
/// other way out that a process can see coming: a signal, a fault, an exit.
/// </summary>
internal sealed partial class RawMode : IDisposable
{
    /// <summary>More than any C library's struct termios, which is only handed back as it was got.</summary>
    private const int TermiosBytes = 256;

    private const int Input = 0;
    private const int AfterOutput = 1; // TCSADRAIN

    private readonly byte[] _before = new byte[TermiosBytes];
    private readonly byte[] _raw;
    private readonly List<PosixSignalRegistration> _signals = [];

    private RawMode()
    {
        if (Get(Input, _before) != 0)
        {
            throw new IOException($"The terminal's mode cannot be read: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        _raw = [.. _before];
        MakeRaw(_raw);
        AppDomain.CurrentDomain.ProcessExit += Restore;
        AppDomain.CurrentDomain.UnhandledException += Restore;
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT, PosixSignal.SIGTSTP])
        {
            _signals.Add(PosixSignalRegistration.Create(signal, _ => Restore(null, EventArgs.Empty)));
        }

        _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ => Set(Input, AfterOutput, _raw)));
        if (Set(Input, AfterOutput, _raw) != 0)
        {
            var why = Marshal.GetLastPInvokeErrorMessage();
            Dispose();
            throw new IOException($"The terminal's mode cannot be changed: {why}.");
        }
    }

    public static RawMode Enter() => new();

    public void Dispose()
    {
        foreach (var signal in _signals)
        {
            signal.Dispose();
        }

        AppDomain.CurrentDomain.ProcessExit -= Restore;
        AppDomain.CurrentDomain.UnhandledException -= Restore;
        Restore(null, EventArgs.Empty);
    }

    private void Restore(object? sender, EventArgs e) => Set(Input, AfterOutput, _before);

    [LibraryImport("libc", EntryPoint = "tcgetattr", SetLastError = true)]
    private static partial int Get(int descriptor, byte[] termios);

    [LibraryImport("libc", EntryPoint = "tcsetattr", SetLastError = true)]
    private static partial int Set(int descriptor, int when, byte[] termios);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw(byte[] termios);
}
