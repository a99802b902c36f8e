using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node;
using Gantry.Node.Host;
using Gantry.Node.Isolation;

namespace Gantry.Daemon.Config;

/// <summary>One setting: its name in the file (<c>https.listen</c>), the environment (<c>GANTRY_HTTPS_LISTEN</c>) and on the command line.</summary>
/// <param name="Check">What is wrong with a value; null when nothing is.</param>
/// <param name="Secret">Never shown.</param>
internal sealed record SettingDefinition(
    string Name, Func<GantryRoot, string?> Default, string Description, Func<string, string?> Check, bool Secret = false)
{
    public string Variable => "GANTRY_" + Name.Replace('.', '_').ToUpperInvariant();
}

/// <summary>Every setting, one entry each; docs/operate/configuration.md is made from it.</summary>
internal static partial class ConfigSettings
{
    public static IReadOnlyList<SettingDefinition> All { get; } =
    [
        new("https.listen", root => root.IsSystem ? "[::]:8443" : "127.0.0.1:0",
            "HOST:PORT of the API over HTTPS, or 'off'. Port 0 takes a free one and keeps it.", CheckListen),
        new("socket.group", _ => "gantry",
            "Members of this group may open the Unix socket; they are local administrators.", CheckNotEmpty),
        new("database.connection", _ => null,
            "Connection string of a shared PostgreSQL; left out, the daemon runs one of its own.", CheckNotEmpty, Secret: true),
        new("node.name", _ => Environment.MachineName.ToLowerInvariant(),
            "The name of this node.", CheckNotEmpty),
        new("instances.driver", _ => "qemu",
            "The driver of instances that name none.", CheckDriver),
        new("instances.uids", _ => null,
            "The user ids guests run under, such as 1900000000-1900019999: some for their TPMs, for tools and for networks; left out, each root finds a block above 1900000000.", CheckUids),
        new("networks.driver", _ => "linux",
            "What sets networks up on this node: linux, or sim, which keeps them in files and leaves the host as it is.", value => value is "linux" or "sim" ? null : "give linux or sim"),
        new("networks.default", _ => "default",
            "The network of NICs that name none, made at the node's first start; 'off' for none.", value => value == "off" || Limits.IsName(value) ? null : "give a name of a-z, 0-9 and '-', or off"),
        new("isolation.required", _ => "namespaces",
            "What no guest is started without: any of namespaces, limits and apparmor with commas between, or none.", CheckRequired),
        new("images.max_size", _ => "1TiB",
            "The largest file taken in as an image, and the largest disk it may be to its guest: a number and MiB, GiB or TiB.", value => Size(value) is null ? "give a number and MiB, GiB or TiB, such as 1TiB" : null),
        new("images.link_local", _ => "refuse",
            "Whether images may be fetched from link-local addresses, where clouds keep secrets of this host: refuse or allow.", value => value is "refuse" or "allow" ? null : "give refuse or allow"),
        new("operations.concurrency", _ => "64",
            "How many operations run at once; more wait. 2 to 1000: some wait for others.", value => CheckNumber(value, 2, 1000)),
        new("retention.operations", _ => "30d",
            "How long finished operations and their logs are kept: a number and s, m, h or d.", CheckDuration),
        new("retention.events", _ => "30d",
            "How long events are kept.", CheckDuration),
        new("console.log_size", _ => "4MiB",
            "How much of each instance's serial output is kept, 64KiB to 1GiB; it holds from an instance's next start on.", CheckLogSize),
        new("console.idle", _ => "24h",
            "A console in which nothing was written or typed for so long is closed; 'off' for never.", value => value == "off" ? null : CheckDuration(value)),
        new("log.level", _ => "information",
            "trace, debug, information, warning or error.", CheckLogLevel),
    ];

    public static GantryConfig ToConfig(Func<string, string?> value) => new()
    {
        HttpsListen = value("https.listen")!,
        SocketGroup = value("socket.group")!,
        DatabaseConnection = value("database.connection"),
        NodeName = value("node.name")!,
        DefaultDriver = value("instances.driver")!,
        NetworkDriver = value("networks.driver")!,
        DefaultNetwork = value("networks.default") is "off" ? null : value("networks.default"),
        Isolation = new(IsolationOptions.ParseRequired(value("isolation.required")!)!, value("instances.uids") is { } uids ? IdRange.Parse(uids) : null),
        ImagesMaxSize = Size(value("images.max_size")!)!.Value,
        ImagesLinkLocal = value("images.link_local") == "allow",
        OperationsConcurrency = int.Parse(value("operations.concurrency")!, CultureInfo.InvariantCulture),
        RetentionOperations = Duration(value("retention.operations")!)!.Value,
        RetentionEvents = Duration(value("retention.events")!)!.Value,
        ConsoleLogSize = Size(value("console.log_size")!)!.Value,
        ConsoleIdle = Duration(value("console.idle")!),
        LogLevel = Enum.Parse<LogLevel>(value("log.level")!, ignoreCase: true),
    };

    private static string? CheckNotEmpty(string value) => value.Length > 0 ? null : "it is empty";

    private static string? CheckListen(string value) =>
        value == "off" || (ListenPattern().Match(value) is { Success: true } m
            && ushort.TryParse(m.Groups["port"].Value, CultureInfo.InvariantCulture, out _)
            && System.Net.IPAddress.TryParse(m.Groups["host"].Value, out _))
            ? null : "give an IP address and a port such as 127.0.0.1:8443 or [::]:8443, or off";

    private static string? CheckDriver(string value) =>
        Gantry.Node.Drivers.Drivers.All.ContainsKey(value) ? null : $"there are {string.Join(", ", Gantry.Node.Drivers.Drivers.All.Keys.Order(StringComparer.Ordinal))}";

    private static string? CheckUids(string value) => IdRange.Parse(value) is { } range ? range.WhyNot() : "give the first and the last id, such as 1900000000-1900019999";

    private static string? CheckRequired(string value) => IsolationOptions.ParseRequired(value) is null ? "give namespaces, limits, apparmor, several with commas between, or none" : null;

    private static string? CheckNumber(string value, int least, int most) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= least && n <= most ? null : $"give a whole number from {least} to {most}";

    private static string? CheckDuration(string value) => Duration(value) is null ? "give a number and s, m, h or d, such as 30d" : null;

    private static string? CheckLogSize(string value) =>
        Size(value) is >= 64 << 10 and <= 1 << 30 ? null : "give a size from 64KiB to 1GiB, such as 4MiB";

    private static string? CheckLogLevel(string value) =>
        value is "trace" or "debug" or "information" or "warning" or "error" ? null : "give trace, debug, information, warning or error";

    private static TimeSpan? Duration(string value)
    {
        if (DurationPattern().Match(value) is not { Success: true } m)
        {
            return null;
        }

        var n = int.Parse(m.Groups["n"].Value, CultureInfo.InvariantCulture);
        return m.Groups["unit"].Value switch
        {
            "s" => TimeSpan.FromSeconds(n),
            "m" => TimeSpan.FromMinutes(n),
            "h" => TimeSpan.FromHours(n),
            _ => TimeSpan.FromDays(n),
        };
    }

    private static long? Size(string value) => SizePattern().Match(value) is { Success: true } m && int.Parse(m.Groups["n"].Value, CultureInfo.InvariantCulture) is var n and > 0
        ? n * (m.Groups["unit"].Value switch { "KiB" => 1L << 10, "MiB" => 1L << 20, "GiB" => 1L << 30, _ => 1L << 40 }) : null;

    [GeneratedRegex(@"\A(?<n>[0-9]{1,6})(?<unit>KiB|MiB|GiB|TiB)\z")]
    private static partial Regex SizePattern();

    [GeneratedRegex(@"\A(\[(?<host>[^\]]+)\]|(?<host>[^:]+)):(?<port>[0-9]{1,5})\z")]
    private static partial Regex ListenPattern();

    [GeneratedRegex(@"\A(?<n>[0-9]{1,5})(?<unit>[smhd])\z")]
    private static partial Regex DurationPattern();
}
