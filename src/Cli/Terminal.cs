using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gantry.Cli;

/// <summary>Everything the command sees of where it runs, so that a test can be that place.</summary>
internal sealed class Terminal(Stream output, TextWriter error, Stream input, TimeProvider time, Func<string, string?> environment)
{
    public Stream Raw { get; } = output;
    public TextWriter Out { get; } = new StreamWriter(output, new UTF8Encoding(false), 4096, leaveOpen: true);
    public TextWriter Error { get; } = error;
    public Stream In { get; } = input;
    public TimeProvider Time { get; } = time;
    public Func<string, string?> Environment { get; } = environment;
    public bool OutIsTerminal { get; init; }
    public bool ErrorIsTerminal { get; init; }
    public bool InIsTerminal { get; init; }
    public Func<int> Width { get; init; } = () => 100;

    /// <summary>Zeros when the terminal does not say.</summary>
    public Func<(int Columns, int Rows)> Size { get; init; } = () => (0, 0);

    /// <summary>From now on keys come as they are pressed, until what it returns is disposed of.</summary>
    public Func<IDisposable> EnterRaw { get; init; } = RawMode.Enter;

    /// <summary>The process's own.</summary>
    public static Terminal OfProcess() => new(
        new StandardStream(1),
        new StreamWriter(new StandardStream(2), new UTF8Encoding(false)) { AutoFlush = true },
        // Console's own stream edits lines when it reads from a terminal, and changes the terminal's mode for that.
        Console.IsInputRedirected ? Console.OpenStandardInput() : new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 0),
        TimeProvider.System,
        System.Environment.GetEnvironmentVariable)
    {
        OutIsTerminal = !Console.IsOutputRedirected,
        ErrorIsTerminal = !Console.IsErrorRedirected,
        InIsTerminal = !Console.IsInputRedirected,
        Size = () => StandardStream.Size(0),
        Width = () => StandardStream.Width(2) is > 0 and var width ? Math.Clamp(width, 40, 200) : 80,
    };

    public void WriteRaw(ReadOnlySpan<byte> bytes)
    {
        Out.Flush();
        Raw.Write(bytes);
    }
}

/// <summary>
/// A standard stream whose reader may leave: <see cref="BrokenPipeException"/> then. Console's own stream hides that
/// (so <c>events --follow | head</c> would never end), and a FileStream on it overwrites what others append to the same file.
/// </summary>
internal sealed partial class StandardStream(int descriptor) : Stream
{
    private const int EINTR = 4;
    private const int EAGAIN = 11;
    private const int EPIPE = 32;
    private const nuint TIOCGWINSZ = 0x5413;

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var written = WriteTo(descriptor, in MemoryMarshal.GetReference(buffer), buffer.Length);
            if (written >= 0)
            {
                buffer = buffer[(int)written..];
                continue;
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case EINTR:
                    break;
                case EAGAIN: // Somebody made the terminal non-blocking.
                    Thread.Yield();
                    break;
                case EPIPE:
                    throw new BrokenPipeException();
                case var error:
                    throw new IOException($"Cannot write: {Marshal.GetPInvokeErrorMessage(error)}.");
            }
        }
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Columns of the terminal; 0 when it does not say. Console would answer too, and switch the keypad's mode on the way.</summary>
    public static int Width(int descriptor) => Size(descriptor).Columns;

    public static (int Columns, int Rows) Size(int descriptor) =>
        WindowSize(descriptor, TIOCGWINSZ, out var size) == 0 ? ((int)(size >> 16 & 0xffff), (int)(size & 0xffff)) : (0, 0);

    // struct winsize is four 16-bit numbers: rows, columns, and two that nobody sets.
    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int WindowSize(int descriptor, nuint request, out ulong size);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteTo(int descriptor, in byte bytes, nint count);
}

/// <summary>Whoever read the output has enough; the command ends without a word.</summary>
internal sealed class BrokenPipeException() : IOException("The reader has gone.");
