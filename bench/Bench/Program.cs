using System.Runtime.InteropServices;
using Gantry.Bench;

// Every benchmark, one line each: `./dev bench`, or some of them by name.
Dictionary<string, Func<Report, CancellationToken, Task>> all = new()
{
    ["list"] = ListBench.RunAsync,
    ["operations"] = OperationsBench.RunAsync,
    ["daemon"] = DaemonBench.RunAsync,
    ["machine"] = MachineBench.RunAsync,
    ["network"] = NetworkBench.RunAsync,
    ["storage"] = StorageBench.RunAsync,
};

var names = args.Length == 0 ? [.. all.Keys] : args;
if (names.Except(all.Keys).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"There is no benchmark '{unknown}'; there are: {string.Join(", ", all.Keys)}.");
    return 2;
}

using var cancel = new CancellationTokenSource();
using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

foreach (var name in names)
{
    var report = new Report(name);
    await all[name](report, cancel.Token);
    report.Write();
}

return 0;

// Its daemon is stopped and its root removed on the way out.
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    cancel.Cancel();
}
