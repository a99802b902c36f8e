using Gantry.Bench;

// Every benchmark, one line each: `./dev bench`, or some of them by name.
Dictionary<string, Func<Report, CancellationToken, Task>> all = new()
{
    ["list"] = ListBench.RunAsync,
    ["operations"] = OperationsBench.RunAsync,
    ["daemon"] = DaemonBench.RunAsync,
};

var names = args.Length == 0 ? [.. all.Keys] : args;
if (names.Except(all.Keys).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"There is no benchmark '{unknown}'; there are: {string.Join(", ", all.Keys)}.");
    return 2;
}

using var cancel = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    cancel.Cancel();
};

foreach (var name in names)
{
    var report = new Report(name);
    await all[name](report, cancel.Token);
    report.Write();
}

return 0;
