using System.CommandLine;
using System.Net;
using System.Text.RegularExpressions;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry image import</c>: a disk sent from here, fetched by the node, or lying on the node already.</summary>
internal static partial class ImageImports
{
    public static Verb Build(App app)
    {
        var from = new Argument<string?>("FILE|URL") { Description = "A disk on this machine, which is sent; or an http or https address, which the node fetches itself.", Arity = ArgumentArity.ZeroOrOne };
        var path = Choose.Text("--path", "A disk that lies on the node, by its absolute path; for local administrators.", "FILE");
        var name = Choose.Text("--name", "The image's name. The file's own, without its ending, when left out.", "NAME");
        var sha256 = Choose.Text("--sha256", "What the disk's bytes must have as SHA-256.", "HEX");
        var format = Choose.Optional<DiskFormat>("--format", "How the disk is written. Told by its first bytes when left out.");
        var firmware = Choose.Optional<Firmware>("--firmware", "What it boots by. Default bios for x86_64, uefi for others, direct with a kernel.");
        var kind = Choose.Optional<InstanceKind>("--kind", "What an instance of it becomes. Default vm, with a kernel microvm.");
        var architecture = Choose.Optional<Architecture>("--architecture", "The processor it is made for. Default x86_64.");
        var kernel = Choose.Text("--kernel", "A kernel that lies on the node.", "FILE");
        var initrd = Choose.Text("--initrd", "An initial RAM disk that lies on the node.", "FILE");
        var commandLine = Choose.Text("--command-line", "What it wants on the kernel's command line: root=/dev/vda.", "TEXT");
        var description = Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT");
        return new Verb("import", "Take in a disk as an image.",
            "gantry image import ./server.qcow2 --firmware uefi",
            "gantry image import https://images.example.org/server-12.qcow2 --name server --firmware uefi",
            "gantry image import --path /srv/old.vmdk --name old --sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
        {
            More = "Taken are qcow2, raw, vmdk in one file, vdi, vhdx and vpc; on the node it is a qcow2 that stands alone. A disk that names other files is refused.",
        }.With(from, path, name, sha256, format, firmware, kind, architecture, kernel, initrd, commandLine, description).Runs(app, async (parsed, session, ct) =>
        {
            var given = parsed.GetValue(from);
            if (given is not null && parsed.GetValue(path) is not null)
            {
                throw new WrongUseException("A disk comes from one place.", "Give a file, an address, or --path.");
            }

            var isUrl = given is not null && Scheme().IsMatch(given);
            var body = new ImportImage
            {
                Name = parsed.GetValue(name) ?? NameOf(given ?? parsed.GetValue(path) ?? parsed.GetValue(kernel)),
                Url = isUrl ? given : null,
                Path = parsed.GetValue(path),
                Sha256 = parsed.GetValue(sha256),
                Format = parsed.GetValue(format),
                Firmware = parsed.GetValue(firmware),
                DefaultKind = parsed.GetValue(kind),
                Architecture = parsed.GetValue(architecture),
                Kernel = parsed.GetValue(kernel),
                Initrd = parsed.GetValue(initrd),
                CommandLine = parsed.GetValue(commandLine),
                Description = parsed.GetValue(description),
            };
            var begun = given is null || isUrl
                ? await session.SendAsync(HttpMethod.Post, "/images:import", body, WireJson.Default.ImportImage, ct)
                : await SendAsync(session, given, body, ct);
            return await Waiting.FinishAsync(session, begun, body.Name, "imported", ct);
        });
    }

    private static async Task<byte[]> SendAsync(Session session, string file, ImportImage about, CancellationToken ct)
    {
        if (about.Kernel is not null || about.Initrd is not null)
        {
            throw new WrongUseException("--kernel and --initrd name files on the node; a disk from here does not go with them.", "Give the disk with --path.");
        }

        await using var disk = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read);
        using var body = new ProgressContent(disk, session.Terminal) { Headers = { ContentType = new("application/octet-stream") } };
        using var response = await session.Api.UploadAsync($"/images:upload?{ApiClient.UploadQuery(about, Path.GetFileName(file))}", body, ct);
        return await response.Content.ReadAsByteArrayAsync(ct);
    }

    /// <summary>A name out of a file's: lower case, dashes for what a name may not have.</summary>
    private static string NameOf(string? path)
    {
        if (path is null)
        {
            throw new WrongUseException("`gantry image import` needs a disk or a kernel.", "Give a file, an address, --path or --kernel.");
        }

        var file = path.Split('?', '#')[0].TrimEnd('/').Split('/')[^1];
        var stem = Ending().Replace(file, "").ToLowerInvariant();
        var name = NotOfNames().Replace(stem, "-").Trim('-');
        return name.Length == 0 ? throw new WrongUseException($"'{Words.Clean(file)}' makes no name.", "Give one with --name.") : name[..Math.Min(name.Length, Limits.NameLength)].TrimEnd('-');
    }

    [GeneratedRegex(@"\Ahttps?://", RegexOptions.IgnoreCase)]
    private static partial Regex Scheme();

    [GeneratedRegex(@"\.(qcow2|raw|img|vmdk|vdi|vhdx?)\z", RegexOptions.IgnoreCase)]
    private static partial Regex Ending();

    [GeneratedRegex("[^a-z0-9]+")]
    private static partial Regex NotOfNames();

    /// <summary>A file as a request's body, its progress on standard error.</summary>
    private sealed class ProgressContent(FileStream file, Terminal terminal) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            using var line = new ProgressLine(terminal);
            var began = terminal.Time.GetTimestamp();
            var shown = began;
            var buffer = new byte[1 << 17];
            var sent = 0L;
            while (await file.ReadAsync(buffer) is var read and > 0)
            {
                await stream.WriteAsync(buffer.AsMemory(0, read));
                sent += read;
                if (terminal.Time.GetElapsedTime(shown).TotalMilliseconds > 200)
                {
                    shown = terminal.Time.GetTimestamp();
                    line.Show(sent, file.Length, terminal.Time.GetElapsedTime(began));
                }
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = file.Length;
            return true;
        }
    }
}
