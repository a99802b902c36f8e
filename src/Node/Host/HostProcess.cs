using System.Collections.Concurrent;
using System.Globalization;

namespace Gantry.Node.Host;

/// <summary>
/// A process of this host that is not our child: known by its number and the moment it started, so that a number
/// given to another process later is never mistaken for it, neither when watched nor when killed.
/// </summary>
internal sealed class HostProcess : IDisposable
{
    private readonly int _pidfd;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HostProcess(int pid, int pidfd) => (Pid, _pidfd) = (pid, pidfd);

    public int Pid { get; }

    /// <summary>Completes when it has ended; never fails.</summary>
    public Task Ended => _ended.Task;

    /// <param name="start">Field 22 of <c>/proc/PID/stat</c>, in clock ticks since the host started.</param>
    /// <returns>Null when that process has ended.</returns>
    public static HostProcess? Find(int pid, long start)
    {
        // Opened first and compared then: from here on the descriptor names whatever was compared.
        var pidfd = pid > 1 ? Posix.OpenProcess(pid) : -1;
        if (pidfd < 0)
        {
            return null;
        }

        if (StartOf(pid) != start)
        {
            Posix.Close(pidfd);
            return null;
        }

        var process = new HostProcess(pid, pidfd);
        Endings.Watch(process);
        return process;
    }

    /// <summary>When it started, in clock ticks since the host did; null when there is none, or only its remains.</summary>
    public static long? StartOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));

            // The name in field 2 may hold blanks and brackets; the last ')' ends it.
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }

    public void Kill() => Endings.Use(this, () => Posix.SignalProcess(_pidfd, Posix.SigKill));

    /// <summary>Tells it to read its files again, as daemons do.</summary>
    public void HangUp() => Endings.Use(this, () => Posix.SignalProcess(_pidfd, Posix.SigHup));

    /// <summary>No longer watched; <see cref="Ended"/> may never complete then.</summary>
    public void Dispose() => Endings.Forget(this);

    /// <summary>One thread for all of them: it sleeps until a process ends, so fifty idle guests cost nothing.</summary>
    private static class Endings
    {
        private static readonly ConcurrentDictionary<HostProcess, bool> Watched = [];
        private static readonly int Bell = Posix.OpenBell();
        private static readonly Lock Opening = new();

        static Endings() => new Thread(Loop) { IsBackground = true, Name = "process endings" }.Start();

        public static void Watch(HostProcess process)
        {
            Watched[process] = true;
            Posix.Wake(Bell);
        }

        public static void Forget(HostProcess process)
        {
            lock (Opening)
            {
                if (Watched.TryRemove(process, out _))
                {
                    Posix.Close(process._pidfd);
                }
            }

            Posix.Wake(Bell);
        }

        public static void Use(HostProcess process, Action use)
        {
            lock (Opening)
            {
                if (Watched.ContainsKey(process))
                {
                    use();
                }
            }
        }

        private static void Loop()
        {
            while (true)
            {
                HostProcess[] processes = [.. Watched.Keys];
                Posix.PollFd[] fds = [new(Bell), .. processes.Select(p => new Posix.PollFd(p._pidfd))];
                Posix.WaitReadable(fds);
                Posix.Rest(Bell);
                for (var i = 0; i < processes.Length; i++)
                {
                    // A descriptor closed meanwhile may be anything by now: only one still watched speaks of its process.
                    if (fds[i + 1].Happened != 0 && Watched.ContainsKey(processes[i]))
                    {
                        Forget(processes[i]);
                        processes[i]._ended.TrySetResult();
                    }
                }
            }
        }
    }
}
