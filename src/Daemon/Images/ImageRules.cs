using System.Text.Json;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Images;

/// <summary>What a request about images may say, by value; every fault at once.</summary>
internal static partial class ImageRules
{
    /// <summary>As long as a file's name may be.</summary>
    private const int LongestSource = 255;

    public static IEnumerable<Fault> Faults(BuildImage body) => body.Name is null ? [] : TextRules.Name("$.name", body.Name);

    public static IEnumerable<Fault> Faults(RenameImage body) => TextRules.Name("$.name", body.Name);

    public static IEnumerable<Fault> Faults(ChangeImage body) => TextRules.Description(body.Description);

    public static IEnumerable<Fault> Faults(CreateImage body) => [.. TextRules.Name("$.name", body.Name), .. TextRules.Description(body.Description)];

    /// <param name="sent">The disk comes with the request.</param>
    public static IEnumerable<Fault> Faults(ImportImage body, bool sent)
    {
        var disks = (body.Url is null ? 0 : 1) + (body.Path is null ? 0 : 1) + (sent ? 1 : 0);
        List<Fault> faults =
        [
            .. TextRules.Name("$.name", body.Name),
            .. TextRules.Description(body.Description),
            .. TextRules.Text("$.commandLine", body.CommandLine, Limits.CommandLineLength),
            .. TextRules.Text("$.url", body.Url, Limits.PathLength),
            .. TextRules.Path("$.path", body.Path), .. TextRules.Path("$.kernel", body.Kernel), .. TextRules.Path("$.initrd", body.Initrd),
        ];
        Add(disks > 1, "$.path", "a disk comes from one place: url or path");
        Add(disks == 0 && body.Kernel is null, "$.url", "give the disk's url or path, or a kernel");
        Add(body.Initrd is not null && body.Kernel is null, "$.initrd", "an initial RAM disk goes with a kernel");
        Add(body.CommandLine is not null && body.Kernel is null, "$.commandLine", "a command line goes with a kernel");
        Add(body.Sha256 is not null && !Sum().IsMatch(body.Sha256), "$.sha256", "a SHA-256 has 64 hexadecimal digits");
        Add(disks == 0 && (body.Sha256 is not null || body.Format is not null), "$.sha256", "it is the disk's, and there is none");
        Add(body.Firmware == Firmware.Direct && body.Kernel is null, "$.firmware", "booting directly takes a kernel");
        Add(body.Firmware is Firmware.Bios or Firmware.Uefi && disks == 0, "$.firmware", "firmware boots from a disk, and there is none");
        Add(body.DefaultKind == InstanceKind.Container, "$.defaultKind", "a disk is for vm or microvm");
        return faults;

        void Add(bool wrong, string path, string what)
        {
            if (wrong)
            {
                faults.Add(new(path, what));
            }
        }
    }

    /// <summary>An upload says in its query what an import says in its body.</summary>
    public static (ImportImage Body, string Source, IReadOnlyList<Fault> Faults) FromQuery(IQueryCollection query)
    {
        var faults = new List<Fault>();
        string[] known = ["name", "sha256", "format", "firmware", "defaultKind", "architecture", "commandLine", "description", "source", "wait"];
        faults.AddRange(query.Keys.Except(known).Select(k => new Fault("$", $"there is no '{(k.Length > 40 ? k[..40] : k)}'; there are {string.Join(", ", known)}")));
        faults.AddRange(TextRules.Text("$.source", Text("source"), LongestSource));
        return (new ImportImage
        {
            Name = Text("name") ?? "",
            Sha256 = Text("sha256"),
            Format = Word<DiskFormat>("format"),
            Firmware = Word<Firmware>("firmware"),
            DefaultKind = Word<InstanceKind>("defaultKind"),
            Architecture = Word<Architecture>("architecture"),
            CommandLine = Text("commandLine"),
            Description = Text("description"),
        }, Text("source") ?? "upload", faults);

        string? Text(string name) => query[name].ToString() is { Length: > 0 } text ? text : null;

        T? Word<T>(string name)
            where T : struct, Enum
        {
            var text = Text(name);
            var words = Enum.GetValues<T>().ToDictionary(v => JsonNamingPolicy.CamelCase.ConvertName(v.ToString()));
            if (text is not null && !words.ContainsKey(text))
            {
                faults.Add(new($"$.{name}", $"one of {string.Join(", ", words.Keys)} is expected"));
            }

            return text is not null && words.TryGetValue(text, out var value) ? value : null;
        }
    }

    [GeneratedRegex(@"\A[0-9a-fA-F]{64}\z")]
    private static partial Regex Sum();
}
