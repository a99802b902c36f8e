using System.Text.RegularExpressions;
using Gantry.Contracts;

namespace Gantry.Node;

/// <summary>
/// Where everything one daemon owns lies. The system's own root is spread over /etc, /var and /run as the
/// Filesystem Hierarchy Standard asks; any other root is one directory, so several daemons live side by side.
/// </summary>
public sealed partial class GantryRoot
{
    public const string Variable = "GANTRY_ROOT";

    /// <summary>What is left of a Unix socket's 107 characters beside <c>/run/instances/{id}/qmp.sock</c> and <c>tty.sock</c>.</summary>
    public const int MaxLength = 46;

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
    public string Pools => $"{Data}/pools";
    public string Networks => $"{Data}/networks";
    public string Keys => $"{Run}/keys";
    public string NetworksRun => $"{Run}/networks";

    /// <exception cref="Refusal"><c>root.not_usable</c></exception>
    /// <param name="path">Null or <c>/</c> for the system's own; else any directory, made absolute.</param>
    public static GantryRoot At(string? path)
    {
        if (string.IsNullOrEmpty(path) || path == "/")
        {
            return new("/", "/etc/gantry", "/var/lib/gantry", "/run/gantry", "/var/log/gantry");
        }

        var full = System.IO.Path.GetFullPath(path).TrimEnd('/');
        if (full.Length > MaxLength || !PathPattern().IsMatch(full))
        {
            throw Refusal.Invalid("root.not_usable", $"The root '{full}' cannot be used: at most {MaxLength} of A-Z, a-z, 0-9, '.', '_', '-' and '/'.",
                "Choose a shorter or plainer path: a Unix socket's whole path has 107 characters at most.");
        }

        return new(full, $"{full}/etc", $"{full}/data", $"{full}/run", $"{full}/log");
    }

    [GeneratedRegex(@"\A(/[A-Za-z0-9._-]+)+\z")]
    private static partial Regex PathPattern();
}
