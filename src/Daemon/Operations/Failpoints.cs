using System.Diagnostics;
using System.Globalization;

namespace Gantry.Daemon.Operations;

internal enum Moment
{
    Before,
    After,
    BeforeUndo,
    AfterUndo,
}

/// <summary>
/// Where tests make operations fail. In the shipped daemon it does nothing unless GANTRY_FAILPOINT is set:
/// <c>kill:instance.start:2:after</c> ends the process by SIGKILL after the work of step 2 and before that is written down
/// (moments: before, after, beforeUndo, afterUndo).
/// </summary>
internal sealed class Failpoints
{
    public const string Variable = "GANTRY_FAILPOINT";

    /// <summary>Called around each half of each step with the operation's kind, the step's number and the moment.</summary>
    public Func<string, int, Moment, Task>? Hook { get; set; }

    /// <summary>How often the work of a host step is done each time: both halves may be repeated and must bear it.</summary>
    public int HostStepRuns { get; set; } = 1;

    public Task AtAsync(string kind, int step, Moment moment) => Hook?.Invoke(kind, step, moment) ?? Task.CompletedTask;

    public static Failpoints FromEnvironment()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } text)
        {
            return new();
        }

        if (text.Split(':') is not ["kill", var kind, var number, var word]
            || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            || !Enum.TryParse<Moment>(word, ignoreCase: true, out var moment))
        {
            throw new FormatException($"{Variable}={text} is not kill:KIND:STEP:MOMENT.");
        }

        return new()
        {
            Hook = (k, s, m) =>
            {
                if ((k, s, m) == (kind, step, moment))
                {
                    using var self = Process.GetCurrentProcess();
                    self.Kill();
                    return Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System);
                }

                return Task.CompletedTask;
            },
        };
    }
}
