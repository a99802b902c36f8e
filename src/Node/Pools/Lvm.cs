using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

/// <summary>The one door to LVM (lvm(8)): what it is asked comes as JSON, and nothing is prompted for.</summary>
/// <param name="pool">Which pool's volumes are looked at: the value of their tag <c>gantry.pool</c>.</param>
internal sealed class Lvm(IShell shell, string group, string thin, string pool)
{
    private const string Columns = "lv_name,lv_size,lv_tags,lv_active,lv_dm_path,pool_lv,segtype,zero,data_percent,metadata_percent,lv_health_status,lv_when_full,thin_id,vg_tags,vg_extent_size";

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(20);

    /// <summary>What LVM says of descriptors that .NET has open is of no use to anybody.</summary>
    private static readonly Dictionary<string, string> Quiet = new() { ["LVM_SUPPRESS_FD_WARNINGS"] = "1" };

    /// <summary>Runs a command that changes something, to its end: one that is killed in the middle may leave a volume suspended, and its guest with it.</summary>
    /// <exception cref="CommandFailed"/>
    public async Task<string> RunAsync(CancellationToken ct, params IReadOnlyList<string> arguments)
    {
        ct.ThrowIfCancellationRequested();
        return (await shell.RunAsync(new("lvm", arguments, Deadline) { Environment = Quiet }, CancellationToken.None)).Output;
    }

    /// <summary>The thin pool and all volumes in it.</summary>
    /// <param name="isQuick">Does not wait long for devices that do not answer.</param>
    /// <exception cref="CommandFailed">Among others when there is no such volume group.</exception>
    public async Task<LvmState> ReadAsync(CancellationToken ct, bool isQuick = false)
    {
        var answer = await shell.RunAsync(
            new("lvm", ["lvs", "--reportformat", "json", "--units", "b", "--nosuffix", "-o", Columns, "--", group], isQuick ? AnswersWithin : Deadline) { Environment = Quiet }, ct);
        using var document = JsonDocument.Parse(answer.Output);
        var rows = document.RootElement.GetProperty("report").EnumerateArray().SelectMany(r => r.GetProperty("lv").EnumerateArray()).ToList();
        var itself = rows.Where(r => Text(r, "lv_name") == thin).Select(r => new LvmThinPool(
            Text(r, "segtype") == "thin-pool", Tags(r, "lv_tags").GetValueOrDefault("pool"), Number(r, "lv_size"), Number(r, "vg_extent_size"), Text(r, "zero") is "zero" or "1",
            Percent(r, "data_percent"), Percent(r, "metadata_percent"), Text(r, "lv_health_status"), Text(r, "lv_when_full") == "error")).FirstOrDefault();
        var volumes = rows.Where(r => Text(r, "pool_lv") == thin).Select(r => new LvmVolume(
            Text(r, "lv_name"), Number(r, "lv_size"), Text(r, "lv_dm_path"), Text(r, "lv_active") == "active", Text(r, "thin_id"), Tags(r, "lv_tags"))).ToList();
        var restores = rows.Take(1).SelectMany(r => Text(r, "vg_tags").Split(',')).Select(t => LvmRestore.TryParse(pool, t)).OfType<LvmRestore>().ToList();
        return new(itself, [.. volumes.Where(v => v.Tag("pool") == pool)], volumes.Count, restores);
    }

    /// <summary>How a volume of the group is called for a command.</summary>
    public string NameOf(LvmVolume volume) => NameOf(volume.Name);

    public string NameOf(string volume) => $"{group}/{volume}";

    /// <summary>As the kernel's names of devices are made of these two (dmsetup(8)): each '-' twice.</summary>
    public string DeviceOf(string volume) => $"{group.Replace("-", "--", StringComparison.Ordinal)}-{volume.Replace("-", "--", StringComparison.Ordinal)}";

    public static string Tag(string key, string value) => $"{LvmVolume.Prefix}{key}={value}";

    public static string Bytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes}b");

    /// <summary>What a volume group or volume may be called, as lvm(8) has it.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= 127 && name[0] != '-' && name is not ("." or "..") && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '_' or '.' or '-');

    private static string Text(JsonElement row, string column) => row.GetProperty(column).GetString() ?? "";

    private static long Number(JsonElement row, string column) => long.TryParse(Text(row, column), CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static double? Percent(JsonElement row, string column) => double.TryParse(Text(row, column), CultureInfo.InvariantCulture, out var percent) ? percent : null;

    private static Dictionary<string, string> Tags(JsonElement row, string column) => Text(row, column).Split(',')
        .Where(t => t.StartsWith(LvmVolume.Prefix, StringComparison.Ordinal)).Select(t => t[LvmVolume.Prefix.Length..].Split('=', 2)).Where(t => t.Length == 2)
        .GroupBy(t => t[0]).ToDictionary(g => g.Key, g => g.First()[1]);
}
