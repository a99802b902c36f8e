using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gantry.Node.Host;

internal static partial class Posix
{
    /// <summary>Two connected sockets: one to read from here, and one to be handed to another process.</summary>
    /// <exception cref="IOException"/>
    public static (Socket Near, SafeHandle Far) SocketPair()
    {
        const int unix = 1, streamCloseOnExec = 1 | CloseOnExec;
        var ends = new int[2];
        if (socketpair(unix, streamCloseOnExec, 0, ends) != 0)
        {
            throw new IOException($"socketpair: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }

        return (new Socket(new SafeSocketHandle(ends[0], ownsHandle: true)), new SafeFileHandle(ends[1], ownsHandle: true));
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, [Out] int[] ends);
}
