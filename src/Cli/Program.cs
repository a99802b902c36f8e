using System.Runtime.InteropServices;
using Gantry.Cli;

using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
return await new App(Terminal.OfProcess()).RunAsync(args, stop.Token);

// The second Ctrl-C ends the process: whatever the first one is still waiting for.
void Stop(PosixSignalContext context)
{
    context.Cancel = !stop.IsCancellationRequested;
    stop.Cancel();
}
