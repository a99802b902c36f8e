using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gantry.Node.Host;

/// <summary>The few calls of the C library that .NET has no door to.</summary>
internal static partial class Posix
{
    public const int SigHup = 1;
    public const int SigKill = 9;

    // The same on every architecture (Linux numbers its newer calls alike everywhere).
    private const int SysPidfdSendSignal = 424;
    private const int SysPidfdOpen = 434;

    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int ReadOnlyDirectory = 0x10000; // O_DIRECTORY | O_RDONLY

    /// <summary>One of the few flags that architectures number differently.</summary>
    private static readonly int NoFollow = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x8000 : 0x20000;

    /// <summary>Sends a signal; false when there is no such process.</summary>
    public static bool Kill(int pid, int signal) => pid > 1 && kill(pid, signal) == 0;

    /// <summary>Makes a rename or a new name in the directory last through a power cut.</summary>
    public static void SyncDirectory(string path)
    {
        var fd = open(path, ReadOnlyDirectory);
        if (fd >= 0)
        {
            _ = fsync(fd);
            _ = close(fd);
        }
    }

    /// <summary>The group of a file and whether it is a regular one, links followed; read with <c>statx</c>, whose layout is the same everywhere.</summary>
    public static (int Group, bool IsRegular) FactsOf(string path)
    {
        const int CurrentDirectory = -100, TypeAndGroup = 0x11, OffsetOfGroup = 24, OffsetOfMode = 28, SizeOfStatx = 256;
        const int TypeBits = 0xF000, Regular = 0x8000;
        Span<byte> facts = stackalloc byte[SizeOfStatx];
        return statx(CurrentDirectory, path, 0, TypeAndGroup, ref MemoryMarshal.GetReference(facts)) == 0
            ? (BitConverter.ToInt32(facts[OffsetOfGroup..]), (BitConverter.ToUInt16(facts[OffsetOfMode..]) & TypeBits) == Regular)
            : throw new IOException($"{path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    /// <summary>Whether two paths lead to one file or directory, links followed. False when either leads nowhere.</summary>
    public static bool IsSame(string one, string other) => Identity(one) is { } identity && identity == Identity(other);

    private static (ulong Inode, ulong Device)? Identity(string path)
    {
        const int CurrentDirectory = -100, Inode = 0x100, OffsetOfInode = 32, OffsetOfDevice = 136, SizeOfStatx = 256;
        Span<byte> facts = stackalloc byte[SizeOfStatx];
        return statx(CurrentDirectory, path, 0, Inode, ref MemoryMarshal.GetReference(facts)) == 0
            ? (BitConverter.ToUInt64(facts[OffsetOfInode..]), BitConverter.ToUInt64(facts[OffsetOfDevice..])) : null;
    }

    /// <summary>The user that owns a file; of a directory in /proc, the user its process runs under. Null when it is gone.</summary>
    public static int? TryOwnerOf(string path) => TryIdOf(path, 0x8, 20);

    /// <summary>The group of a file; null when there is none.</summary>
    public static int? TryGroupOf(string path) => TryIdOf(path, 0x10, 24);

    private static int? TryIdOf(string path, uint which, int offset)
    {
        const int CurrentDirectory = -100, SizeOfStatx = 256;
        Span<byte> facts = stackalloc byte[SizeOfStatx];
        return statx(CurrentDirectory, path, 0, which, ref MemoryMarshal.GetReference(facts)) == 0 ? BitConverter.ToInt32(facts[offset..]) : null;
    }

    /// <summary>What a file takes of its file system, in bytes; null when it is gone.</summary>
    public static long? TryAllocatedBytes(string path)
    {
        const int currentDirectory = -100, blocks = 0x400, offsetOfBlocks = 48, sizeOfStatx = 256, blockBytes = 512;
        Span<byte> facts = stackalloc byte[sizeOfStatx];
        return statx(currentDirectory, path, 0, blocks, ref MemoryMarshal.GetReference(facts)) == 0 ? BitConverter.ToInt64(facts[offsetOfBlocks..]) * blockBytes : null;
    }

    /// <summary>Its file system is a program's, which need not answer all that the kernel's own do.</summary>
    public static bool IsOnFuse(SafeFileHandle file)
    {
        const int sizeOfStatfs = 120;
        const long fuse = 0x6573_5546; // the type is what it begins with
        Span<byte> facts = stackalloc byte[2 * sizeOfStatfs];
        return fstatfs((int)file.DangerousGetHandle(), ref MemoryMarshal.GetReference(facts)) == 0 && BitConverter.ToInt64(facts) == fuse;
    }

    /// <summary>Where a file has something next: what lies before that reads as zeros.</summary>
    /// <returns>Its length where there is nothing any more; what was asked for where it cannot tell.</returns>
    public static long NextData(SafeFileHandle file, long from)
    {
        const int data = 3, noneLeft = 6;
        var at = lseek((int)file.DangerousGetHandle(), from, data);
        return at >= 0 ? at : Marshal.GetLastPInvokeError() == noneLeft ? RandomAccess.GetLength(file) : from;
    }

    /// <summary>Gives a file or directory another name, and never copies: what has it open keeps it.</summary>
    /// <exception cref="IOException"/>
    public static void Rename(string from, string to)
    {
        if (rename(from, to) != 0)
        {
            throw new IOException($"{from} cannot be renamed to {to}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }
    }

    /// <summary>Gives two files or directories each other's name, at one instant.</summary>
    /// <exception cref="IOException"/>
    public static void Exchange(string one, string other)
    {
        const int currentDirectory = -100;
        const uint exchange = 2;
        if (renameat2(currentDirectory, one, currentDirectory, other, exchange) != 0)
        {
            throw new IOException($"{one} and {other} cannot be exchanged: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }
    }

    /// <summary>
    /// Waits its turn for a lock file and holds it until the handle is closed, or the process ends. (.NET's own
    /// locking does not wait but fails.) For moments only: there is no deadline.
    /// </summary>
    public static SafeFileHandle Locked(string path)
    {
        const int readWriteCreateCloseOnExec = 0x80042, mode = 0b110_000_000, exclusive = 2, interrupted = 4;
        var file = new SafeFileHandle(open(path, readWriteCreateCloseOnExec, mode), ownsHandle: true);
        var error = file.IsInvalid ? Marshal.GetLastPInvokeError() : interrupted;
        while (error == interrupted)
        {
            error = flock((int)file.DangerousGetHandle(), exclusive) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }

        if (error != 0)
        {
            file.Dispose();
            throw new IOException($"{path} cannot be locked: {Marshal.GetPInvokeErrorMessage(error)}");
        }

        return file;
    }

    /// <summary>Opens a regular file for reading: no link, and whatever else stands there (a pipe, a device) is neither waited for nor kept open.</summary>
    /// <exception cref="IOException"/>
    public static SafeFileHandle OpenRegular(string path)
    {
        const int emptyPath = 0x1000, type = 0x1, offsetOfMode = 28, sizeOfStatx = 256, typeBits = 0xF000, regular = 0x8000;
        var file = new SafeFileHandle(open(path, NoFollow | CloseOnExec | NonBlocking), ownsHandle: true);
        Span<byte> facts = stackalloc byte[sizeOfStatx];
        var error = file.IsInvalid || statx((int)file.DangerousGetHandle(), "", emptyPath, type, ref MemoryMarshal.GetReference(facts)) != 0
            ? Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())
            : (BitConverter.ToUInt16(facts[offsetOfMode..]) & typeBits) == regular ? null : "it is not a regular file";
        if (error is not null)
        {
            file.Dispose();
            throw new IOException(error);
        }

        return file;
    }

    /// <summary>Opens a file or block device of a disk; whatever else stands there (a pipe) is neither waited for nor kept open.</summary>
    /// <exception cref="IOException"/>
    public static SafeFileHandle OpenDisk(string path, bool writable)
    {
        const int readWrite = 2, emptyPath = 0x1000, type = 0x1, offsetOfMode = 28, sizeOfStatx = 256, typeBits = 0xF000, regular = 0x8000, blockDevice = 0x6000;
        var file = new SafeFileHandle(open(path, (writable ? readWrite : 0) | CloseOnExec | NonBlocking), ownsHandle: true);
        Span<byte> facts = stackalloc byte[sizeOfStatx];
        var error = file.IsInvalid || statx((int)file.DangerousGetHandle(), "", emptyPath, type, ref MemoryMarshal.GetReference(facts)) != 0
            ? Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())
            : (BitConverter.ToUInt16(facts[offsetOfMode..]) & typeBits) is regular or blockDevice ? null : "it is neither a file nor a block device";
        if (error is not null)
        {
            file.Dispose();
            throw new IOException($"{path}: {error}");
        }

        return file;
    }

    public static void Chown(string path, int uid, int gid)
    {
        if (chown(path, uid, gid) != 0)
        {
            throw new IOException($"chown {uid}:{gid} {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }
    }

    /// <summary>Lets a thread run on these CPUs only; false when it is gone or this host has none of them.</summary>
    public static bool SetAffinity(int thread, IEnumerable<int> cpus)
    {
        Span<byte> mask = stackalloc byte[(CpuList.Largest + 1) / 8];
        mask.Clear();
        foreach (var cpu in cpus)
        {
            mask[cpu / 8] |= (byte)(1 << (cpu % 8));
        }

        return sched_setaffinity(thread, mask.Length, ref MemoryMarshal.GetReference(mask)) == 0;
    }

    /// <summary>A descriptor that names this process for ever, whoever gets its number later; -1 when there is no such process.</summary>
    public static int OpenProcess(int pid) => (int)syscall(SysPidfdOpen, pid, 0, 0, 0);

    public static bool SignalProcess(int pidfd, int signal) => syscall(SysPidfdSendSignal, pidfd, signal, 0, 0) == 0;

    public static void Close(int fd) => _ = close(fd);

    /// <summary>A descriptor that becomes readable by <see cref="Wake"/> and stays so until <see cref="Rest"/>.</summary>
    public static int OpenBell() => eventfd(0, CloseOnExec | NonBlocking);

    public static void Wake(int bell) => _ = write(bell, 1UL, sizeof(ulong));

    public static void Rest(int bell) => _ = read(bell, out _, sizeof(ulong));

    /// <summary>Waits without end until one is readable, and marks those that are.</summary>
    public static void WaitReadable(Span<PollFd> fds) => _ = poll(ref MemoryMarshal.GetReference(fds), (ulong)fds.Length, -1);

    [StructLayout(LayoutKind.Sequential)]
    public struct PollFd(int fd)
    {
        public readonly int Fd = fd;
        public short Events = 1; // POLLIN
        public short Happened;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fstatfs(int file, ref byte facts);

    [LibraryImport("libc", SetLastError = true)]
    private static partial long lseek(int file, long offset, int whence);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nint first, nint second, nint third, nint fourth);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint start, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int fd, in ulong value, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int fd, out ulong value, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(ref PollFd fds, ulong count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sched_setaffinity(int thread, nint size, ref byte mask);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, ref byte facts);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, int mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rename(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat2(int fromDirectory, string from, int toDirectory, string to, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(int fd, int operation);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, int uid, int gid);
}
