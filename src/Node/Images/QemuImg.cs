using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>
/// The one door to qemu-img. What reads a disk that a stranger may have written runs confined (<see cref="Confinement"/>);
/// the format of a disk is always said and never probed.
/// </summary>
public sealed partial class QemuImg(IShell shell, ToolUids uids)
{
    private const string Program = "qemu-img";

    /// <summary>Enough for the tables of the largest disk Gantry takes, with its threads' stacks.</summary>
    private const long MemoryBytes = 2L << 30;

    /// <summary>What talks to Ceph has dozens of threads, each with room for what it allocates.</summary>
    private const long NetworkedMemoryBytes = 8L << 30;

    /// <summary>Left free on the file system, whatever a disk unpacks to.</summary>
    private const long Reserve = 256 * Limits.MiB;

    private const int OnlyLeaks = 3, NoCheck = 63; // what `qemu-img check` ends with

    private const UnixFileMode ForAllToRead = (UnixFileMode)0b110_100_100;

    private static readonly TimeSpan ShortDeadline = TimeSpan.FromMinutes(2);

    /// <summary>What qemu-img says of a disk.</summary>
    public async Task<DiskInfo> InfoAsync(string path, string format, CancellationToken ct)
    {
        using var loan = uids.Borrow();
        var answer = await ConfinedAsync(loan, path, ["info", "--output=json", "-f", format, path], 0, ShortDeadline, null, ct);
        var info = JsonSerializer.Deserialize(answer.Output, QemuImgJson.Default.Info);
        return info is { VirtualSize: { } size } ? new(size, info.ActualSize ?? 0, info.BackingFilename) : throw ImageErrors.Damaged("qemu-img does not say how large it is");
    }

    /// <summary>Looks through a disk's tables, where its format has a check. Space that nothing points to any more is no damage.</summary>
    /// <exception cref="Refusal"><c>image.damaged</c></exception>
    public async Task CheckAsync(string path, string format, CancellationToken ct)
    {
        using var loan = uids.Borrow();
        await ConfinedAsync(loan, path, ["check", "-q", "-f", format, path], 0, DeadlineFor(new FileInfo(path).Length), null, ct);
    }

    /// <summary>Writes a disk anew as a qcow2 that stands alone. The output is there afterwards, for all to read, or not at all.</summary>
    /// <param name="virtualBytes">What the disk is to its guest; the output is bounded by it.</param>
    /// <exception cref="Refusal"><c>image.damaged</c>, <c>image.no_space</c></exception>
    public Task ConvertAsync(string path, string format, string output, long virtualBytes, Action<double> percent, CancellationToken ct) =>
        WriteAsync(path, ["convert", "-p", "-f", format, "-O", "qcow2", path, output], output, virtualBytes, percent, ct);

    /// <summary>
    /// An empty qcow2, alone or over a base. The base is not opened: its size is given, so nothing of it has to be believed. Without subclusters: a QEMU
    /// before 8.1 ends itself (<c>skip_bytes &lt; pnum</c>) when its guest reads a cluster of which a part is there while the layer under it is merged in.
    /// </summary>
    /// <exception cref="CommandFailed"/>
    public Task CreateAsync(string path, long sizeBytes, string? baseDisk, CancellationToken ct) => shell.RunAsync(new(Program,
        [
            "create", "-q", "-f", "qcow2",
            .. baseDisk is null ? (string[])[] : ["-u", "-b", baseDisk, "-F", "qcow2"],
            path, sizeBytes.ToString(CultureInfo.InvariantCulture),
        ], ShortDeadline), ct);

    private Task WriteAsync(string input, IReadOnlyList<string> arguments, string output, long virtualBytes, Action<double> percent, CancellationToken ct) =>
        WriteAsync([new DiskFile(input)], arguments, output, virtualBytes, percent, ct);

    private async Task WriteAsync(IReadOnlyList<DiskFile> inputs, IReadOnlyList<string> arguments, string output, long virtualBytes, Action<double> percent, CancellationToken ct)
    {
        using var loan = uids.Borrow();
        var free = new DriveInfo(Path.GetDirectoryName(output)!).AvailableFreeSpace - Reserve;
        if (free <= 0)
        {
            throw ImageErrors.NoSpace(output);
        }

        try
        {
            await using (File.Create(output))
            {
                Posix.Chown(output, loan.Uid, loan.Uid);
            }

            using var readable = await FileLoan.OfAsync(loan.Uid, PathsOf(inputs), [], ct);
            using var keys = RbdLoan.Of(loan.Uid, inputs);
            await LentAsync(loan, inputs[0].Path, arguments,
                Math.Min(free, WithTables(virtualBytes)), DeadlineFor(virtualBytes), line => Hear(line, percent), ct, keys);
            Posix.Chown(output, 0, 0);
            File.SetUnixFileMode(output, ForAllToRead);
        }
        catch
        {
            File.Delete(output);
            throw;
        }
    }

    private async Task<CommandResult> ConfinedAsync(
        ToolUids.Loan loan, string input, IReadOnlyList<string> arguments, long fileBytes, TimeSpan deadline, Action<string>? heard, CancellationToken ct)
    {
        using var readable = await FileLoan.OfAsync(loan.Uid, [input], [], ct);
        return await LentAsync(loan, input, arguments, fileBytes, deadline, heard, ct);
    }

    /// <summary>With every file it needs lent to its group already.</summary>
    /// <param name="keys">Of the images in Ceph among them, which are reached by the node's network.</param>
    private async Task<CommandResult> LentAsync(
        ToolUids.Loan loan, string input, IReadOnlyList<string> arguments, long fileBytes, TimeSpan deadline, Action<string>? heard, CancellationToken ct, RbdLoan? keys = null)
    {
        var isNetworked = keys is { IsAny: true };
        try
        {
            return await shell.RunAsync(new(Program, [arguments[0], .. keys?.Options ?? [], .. arguments.Skip(1)], deadline)
            {
                Confinement = new(loan.Uid, isNetworked ? NetworkedMemoryBytes : MemoryBytes, fileBytes, deadline) { IsNetworked = isNetworked, Group = Posix.TryGroupOf(input) == uids.SharedGid ? uids.SharedGid : null },
                EndsWithDaemon = true,
                Heard = heard,
            }, ct);
        }
        catch (CommandFailed e) when (arguments[0] == "check" && e.ExitCode is OnlyLeaks or NoCheck)
        {
            return new("", e.Errors);
        }
        catch (CommandFailed e)
        {
            throw e.Errors.Contains("No space left on device", StringComparison.Ordinal) ? ImageErrors.NoSpace(input)
                : e.Errors.Contains("File too large", StringComparison.Ordinal) ? ImageErrors.Unpacks(input)
                : e.ExitCode == 127 ? ImageErrors.ToolMissing(Program, "qemu-utils")
                : ImageErrors.Damaged(Plain(e.Message));
        }
    }

    /// <summary>A tenth of what a slow disk copies, and ten minutes.</summary>
    private static TimeSpan DeadlineFor(long bytes) => TimeSpan.FromMinutes(10) + TimeSpan.FromSeconds(bytes / (10 * Limits.MiB));

    private static void Hear(string line, Action<double> percent)
    {
        if (Percent().Match(line) is { Success: true } match)
        {
            percent(double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
        }
    }

    /// <summary>Its last words may repeat names out of the disk, which a stranger chose.</summary>
    private static string Plain(string text) => string.Concat((text.Length > 400 ? text[..400] : text).Where(c => !char.IsControl(c)));

    [GeneratedRegex(@"\(([0-9]+\.[0-9]+)/100%\)", RegexOptions.CultureInvariant)]
    private static partial Regex Percent();
}

/// <param name="VirtualBytes">What the guest sees.</param>
/// <param name="ActualBytes">What it takes on the host.</param>
public sealed record DiskInfo(long VirtualBytes, long ActualBytes, string? BackingFile);

internal sealed record Info(
    [property: JsonPropertyName("virtual-size")] long? VirtualSize,
    [property: JsonPropertyName("actual-size")] long? ActualSize,
    [property: JsonPropertyName("backing-filename")] string? BackingFilename);

[JsonSerializable(typeof(Info))]
internal sealed partial class QemuImgJson : JsonSerializerContext;
