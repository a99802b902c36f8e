using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>Ties the threads that run a guest's CPUs to CPUs of the host.</summary>
internal static class QemuPinning
{
    /// <summary>What the spec says for the CPUs that are there now; those it says nothing of are left alone.</summary>
    /// <exception cref="QmpFailed"/>
    public static async Task ApplyAsync(QemuGuest guest, InstanceSpec spec, CancellationToken ct)
    {
        if (spec.Cpu?.Pinning is not { Count: > 0 } pinning)
        {
            return;
        }

        var threads = ThreadsOf(guest.Process.Pid);
        foreach (var cpu in (await guest.ExecuteAsync("query-cpus-fast", ct)).EnumerateArray())
        {
            if (cpu.TryGetProperty("cpu-index", out var number) && number.GetInt32() < pinning.Count
                && cpu.TryGetProperty("thread-id", out var thread) && threads.GetValueOrDefault(thread.GetInt32()) is var tid and > 0
                && !Posix.SetAffinity(tid, CpuList.Parse(pinning[number.GetInt32()])))
            {
                throw new QmpFailed($"CPU {number.GetInt32()} cannot be tied to the host's {pinning[number.GetInt32()]}.");
            }
        }
    }

    /// <summary>The threads of a process, by the number that it knows each by: inside a PID namespace that is not the host's.</summary>
    private static Dictionary<int, int> ThreadsOf(int pid)
    {
        var threads = new Dictionary<int, int>();
        foreach (var folder in Directory.GetDirectories(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/task")))
        {
            var numbers = File.ReadLines($"{folder}/status").First(l => l.StartsWith("NSpid:", StringComparison.Ordinal)).Split('\t', StringSplitOptions.RemoveEmptyEntries);
            threads[int.Parse(numbers[^1], CultureInfo.InvariantCulture)] = int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture);
        }

        return threads;
    }
}
