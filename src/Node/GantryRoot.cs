namespace Gantry.Node;

/// <summary>
/// Where everything one daemon owns lies. The system's own root is spread over /etc, /var and /run as the
/// Filesystem Hierarchy Standard asks; any other root is one directory, so several daemons live side by side.
/// </summary>
public sealed class GantryRoot
{
    public const string Variable = "GANTRY_ROOT";

    private GantryRoot(string path, string etc, string data, string run, string log) =>
        (Path, Etc, Data, Run, Log) = (path, etc, data, run, log);

    /// <summary><c>/</c> for the system's own.</summary>
    public string Path { get; }

    public bool IsSystem => Path == "/";

    /// <summary>Configuration and the certificate.</summary>
    public string Etc { get; }

    /// <summary>What must survive a reboot.</summary>
    public string Data { get; }

    /// <summary>Sockets, pid files: gone with a reboot.</summary>
    public string Run { get; }

    public string Log { get; }

    public string ConfigFile => $"{Etc}/gantry.yaml";
    public string Socket => $"{Run}/gantry.sock";
    public string PidFile => $"{Run}/gantryd.pid";
    public string Instances => $"{Data}/instances";
    public string InstancesRun => $"{Run}/instances";
    public string Images => $"{Data}/images";

    /// <param name="path">Null or <c>/</c> for the system's own; else any directory, made absolute.</param>
    public static GantryRoot At(string? path)
    {
        if (string.IsNullOrEmpty(path) || path == "/")
        {
            return new("/", "/etc/gantry", "/var/lib/gantry", "/run/gantry", "/var/log/gantry");
        }

        var full = System.IO.Path.GetFullPath(path);
        return new(full, $"{full}/etc", $"{full}/data", $"{full}/run", $"{full}/log");
    }
}
