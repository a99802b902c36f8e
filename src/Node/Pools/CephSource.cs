using System.Net;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>Where a pool in Ceph lies, as <c>MONITOR[,MONITOR…]/POOL[/NAMESPACE]</c>.</summary>
/// <param name="Monitors">Addresses, some with a port: QEMU, in whose world names lead nowhere, opens disks by them.</param>
internal sealed partial record CephSource(IReadOnlyList<string> Monitors, string Pool, string? Namespace)
{
    private const int MostMonitors = 16;

    /// <summary>What messages to a monitor go to when nothing is said of it: the second version of the protocol, and the first.</summary>
    private static readonly string[] Ports = ["3300", "6789"];

    /// <summary>As commands are told of it.</summary>
    public string Place => Namespace is null ? Pool : $"{Pool}/{Namespace}";

    /// <exception cref="Refusal"><c>pool.not_usable</c></exception>
    public static CephSource Parse(string source)
    {
        var match = Whole().Match(source);
        var monitors = match.Groups["monitors"].Value.Split(',');
        if (!match.Success || monitors.Length > MostMonitors || monitors.Any(m => ServersOf(m).Any(s => !IPAddress.TryParse(s.Host, out _))))
        {
            throw PoolErrors.NotUsable("The source", "it is not written as MONITOR[,MONITOR...]/POOL[/NAMESPACE], the monitors as addresses, such as 10.0.0.1,10.0.0.2/gantry/site1");
        }

        return new(monitors, match.Groups["pool"].Value, match.Groups["namespace"] is { Success: true, Value: var name } ? name : null);
    }

    /// <summary>Each place where one of the monitors may listen.</summary>
    public IReadOnlyList<RbdServer> Servers => [.. Monitors.SelectMany(ServersOf)];

    private static IEnumerable<RbdServer> ServersOf(string monitor)
    {
        var match = Monitor().Match(monitor);
        var host = match.Groups["host"].Value.Trim('[', ']');
        return match.Groups["port"] is { Success: true, Value: var port } ? [new(host, port)] : Ports.Select(p => new RbdServer(host, p));
    }

    [GeneratedRegex(@"\A(?<monitors>[0-9a-fA-F.:,\[\]]{2,1000})/(?<pool>[A-Za-z0-9][A-Za-z0-9._-]{0,127})(/(?<namespace>[A-Za-z0-9][A-Za-z0-9._-]{0,127}))?\z")]
    private static partial Regex Whole();

    [GeneratedRegex(@"\A(?<host>[0-9.]+|\[[0-9a-fA-F:.]+\])(:(?<port>[1-9][0-9]{0,4}))?\z")]
    private static partial Regex Monitor();
}
