using System.Text.RegularExpressions;

namespace Gantry.Contracts;

/// <summary>Every limit of the API in one place; docs/api/limits.md repeats them and a test compares.</summary>
public static partial class Limits
{
    public const long MiB = 1L << 20;
    public const int NameLength = 63;
    public const int DescriptionLength = 1_000;
    public const int Labels = 64;
    public const int LabelKeyLength = 63;
    public const int LabelValueLength = 255;
    public const int PathLength = 4_096;
    public const int CommandLineLength = 2_048;
    public const int MinCpus = 1;
    public const int MaxCpus = 256;
    public const long MinVmMemory = 128 * MiB;
    public const long MinMicrovmMemory = 32 * MiB;
    public const long MaxMemory = 1L << 40;
    public const int Volumes = 16;
    public const int VolumeNameLength = 20;
    public const long MinVolumeBytes = MiB;
    public const long MaxVolumeBytes = 10L << 40;
    public const int Snapshots = 100;
    public const int SnapshotNameLength = 80;
    public const long MinSnapshotAge = 60;
    public const long MaxSnapshotAge = 3_153_600_000;
    public const int Nics = 8;
    public const int NicNameLength = 15;
    public const long MinNicBytesPerSecond = 1_000;
    public const long MaxNicBytesPerSecond = 100_000_000_000;
    public const int Forwards = 1_000;
    public const int Policies = 1_000;
    public const int PolicyRules = 10_000;
    public const int PolicyPeers = 64;
    public const int PolicyPorts = 64;
    public const int ForwardTranslatedPorts = 1_024;
    public const int WindowsTextLength = 64;
    public const int UserDataBytes = 64 << 10;
    public const int CloudInitItems = 256;
    public const int CloudInitTextLength = 4_096;
    public const int PasswordBytes = 256;
    public const int CronLength = 255;
    public const int TimeZoneLength = 64;
    public const int FilterLength = 2_000;
    public const int RetentionCount = Snapshots - 1;
    public const int ScheduleRuns = 1_000;
    public const int PreviewRuns = 1_000;
    public const int PreviewHistoryRuns = 10_000;
    public const int BodyBytes = 1 << 20;
    public const int JsonDepth = 32;
    public const int DefaultPage = 100;
    public const int MaxPage = 1_000;
    public const int MaxWaitSeconds = 120;
    public const int MaxBatch = 1_000;
    public const int IdempotencyKeyLength = 255;
    public const int LogBytes = 4 << 20;
    public const int ConsolesPerInstance = 16;
    public const int ConsoleTickets = 1_000;
    public const int ConsoleTicketSeconds = 30;
    public const int ConsoleTailBytes = 1 << 20;
    public const int ConsoleMessageBytes = 64 << 10;
    public const int ConsoleColumns = 10_000;

    /// <summary>A name is a host name: 1 to 63 of a-z, 0-9 and '-', not at either end a '-'.</summary>
    public static bool IsName(string? name) => name is { Length: >= 1 and <= NameLength } && NamePattern().IsMatch(name);

    /// <summary>A snapshot's name may be longer than others, and have a '_' in it, so that a schedule can put the time behind its own.</summary>
    public static bool IsSnapshotName(string? name) => name is { Length: >= 1 and <= SnapshotNameLength } && SnapshotNamePattern().IsMatch(name);

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9-]*[a-z0-9])?\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9_-]*[a-z0-9])?\z", RegexOptions.CultureInvariant)]
    private static partial Regex SnapshotNamePattern();
}
