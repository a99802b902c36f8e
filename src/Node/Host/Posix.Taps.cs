using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gantry.Node.Host;

/// <summary>TAP devices, and descriptors handed to another process.</summary>
internal static partial class Posix
{
    private const int LongestDeviceName = 15;
    private const int TryAgain = 11; // EAGAIN

    /// <summary>Opens a TAP device that is there; whoever has the handle is at the other end of its cable.</summary>
    /// <exception cref="IOException">There is none of that name, or another has it open.</exception>
    public static SafeFileHandle OpenTap(string name)
    {
        // See linux/if_tun.h: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR in a struct ifreq of 40 bytes.
        const int readWrite = 2, flags = 0x5002, offsetOfFlags = 16, sizeOfRequest = 40;
        const nuint setInterface = 0x400454ca;

        // The ioctl would make one that is not there.
        if (Encoding.UTF8.GetByteCount(name) > LongestDeviceName || if_nametoindex(name) == 0)
        {
            throw new IOException($"There is no network device {name}.");
        }

        var tap = new SafeFileHandle(open("/dev/net/tun", readWrite | CloseOnExec | NonBlocking), ownsHandle: true);
        Span<byte> request = stackalloc byte[sizeOfRequest];
        request.Clear();
        Encoding.UTF8.GetBytes(name, request);
        BitConverter.TryWriteBytes(request[offsetOfFlags..], (short)flags);
        if (tap.IsInvalid || ioctl((int)tap.DangerousGetHandle(), setInterface, ref MemoryMarshal.GetReference(request)) != 0)
        {
            var why = Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
            tap.Dispose();
            throw new IOException($"The TAP device {name} cannot be opened: {why}");
        }

        return tap;
    }

    /// <summary>Sends bytes on a Unix socket and with the first of them a descriptor (SCM_RIGHTS of unix(7)), which the peer gets a copy of.</summary>
    /// <returns>How many were sent; 0 when the socket takes nothing at the moment, and then the descriptor was not sent either.</returns>
    /// <exception cref="IOException"/>
    public static unsafe int SendWithDescriptor(SafeHandle socket, ReadOnlySpan<byte> bytes, SafeHandle descriptor)
    {
        const int socketLevel = 1, rights = 1, noSignal = 0x4000;
        var (held, passed) = (false, false);
        try
        {
            socket.DangerousAddRef(ref held);
            descriptor.DangerousAddRef(ref passed);
            fixed (byte* start = bytes)
            {
                var part = new Part { Start = start, Length = (nuint)bytes.Length };
                var control = new Control { Length = (nuint)(sizeof(nuint) + (3 * sizeof(int))), Level = socketLevel, Type = rights, Descriptor = (int)descriptor.DangerousGetHandle() };
                var message = new Message { Parts = &part, PartCount = 1, Control = &control, ControlLength = (nuint)sizeof(Control) };
                var sent = sendmsg((int)socket.DangerousGetHandle(), ref message, noSignal);
                var error = sent < 0 ? Marshal.GetLastPInvokeError() : TryAgain;
                return sent >= 0 ? (int)sent : error == TryAgain ? 0 : throw new IOException(Marshal.GetPInvokeErrorMessage(error));
            }
        }
        finally
        {
            if (passed)
            {
                descriptor.DangerousRelease();
            }

            if (held)
            {
                socket.DangerousRelease();
            }
        }
    }

    /// <summary>A <c>struct iovec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Part
    {
        public byte* Start;
        public nuint Length;
    }

    /// <summary>A <c>struct cmsghdr</c> with one descriptor, padded as CMSG_SPACE does.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Control
    {
        public nuint Length;
        public int Level;
        public int Type;
        public int Descriptor;
        private readonly int _padding;
    }

    /// <summary>A <c>struct msghdr</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct Message
    {
        private readonly nint _name;
        private readonly uint _nameLength;
        public Part* Parts;
        public nuint PartCount;
        public Control* Control;
        public nuint ControlLength;
        private readonly int _flags;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial uint if_nametoindex(string name);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(int fd, nuint request, ref byte argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int fd, ref Message message, int flags);
}
