namespace Gantry.Contracts;

/// <summary>What Windows is told on the disc with its answers (<see cref="GeneratedDisc.WindowsAnswers"/>), so that its setup asks nothing.</summary>
public sealed record WindowsSetup
{
    /// <summary>1 to 15 of A-Z, a-z, 0-9 and '-', not digits alone. Default: the instance's name, cut to 15.</summary>
    public string? ComputerName { get; init; }

    /// <summary>Language and region such as <c>de-DE</c>; the installation medium must have the language. Default <c>en-US</c>.</summary>
    public string? Locale { get; init; }

    /// <summary>As Windows calls it: <c>W. Europe Standard Time</c>. Default <c>UTC</c>.</summary>
    public string? TimeZone { get; init; }

    /// <summary>The name of an image on the medium, such as <c>Windows 11 Pro</c>. Needed where the medium has several and no product key chooses one.</summary>
    public string? Edition { get; init; }

    /// <summary><c>XXXXX-XXXXX-XXXXX-XXXXX-XXXXX</c>. Default: none.</summary>
    public string? ProductKey { get; init; }
    public string? Organization { get; init; }

    /// <summary>The administrator's account that is made. Default <c>gantry</c>.</summary>
    public string? AccountName { get; init; }
}

/// <summary>A disc that Gantry makes of an instance's settings.</summary>
public enum GeneratedDisc
{
    /// <summary>An answer file for Windows' setup, of <see cref="Machine.Windows"/>.</summary>
    WindowsAnswers = 1,

    /// <summary>The seed of <see cref="InstanceSettings.CloudInit"/>. Where no drive names it, it is attached by itself.</summary>
    CloudInit = 2,
}

/// <summary>What the clock of the machine shows when it is switched on.</summary>
public enum ClockBase
{
    Utc = 1,

    /// <summary>The host's local time, as Windows expects.</summary>
    Localtime = 2,
}
