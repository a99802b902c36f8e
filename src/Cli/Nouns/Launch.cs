using System.CommandLine;
using System.CommandLine.Completions;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry launch</c> and <c>create</c>: one body, started or not.</summary>
internal static class Launch
{
    public static Command Launching(App app) => Build(app, startNow: true, "launched", new Verb("launch", "Make an instance of an image and start it.",
        "gantry launch micro web1",
        "gantry launch micro web2 --cpus 2 --memory 1GiB --label tier=front",
        "gantry launch debian db1 --memory 1GiB --disk 20GiB --user ann --ssh-key ~/.ssh/id_ed25519.pub",
        "gantry launch --template windows win1 --cdrom install=/isos/win11.iso --cdrom drivers=/isos/virtio-win.iso",
        "gantry launch --kernel /boot/vmlinuz --initrd ./initrd.img probe --kind microvm")
    { More = More });

    public static Command Creating(App app) => Build(app, startNow: false, "created", new Verb("create", "Make an instance of an image without starting it.",
        "gantry create micro web1 --auto-start",
        "gantry create micro web1 --template linux-microvm --set cpu.weight=50 --dry-run")
    { More = More });

    private const string More = "What is left out takes the template's, the image's or the configured default; --dry-run shows which. With --kernel or --template the image may be left out.";

    private static Verb Build(App app, bool startNow, string done, Verb verb)
    {
        var what = new Argument<string[]>("IMAGE NAME") { Arity = new ArgumentArity(1, 2) };
        what.Description = "The image it is made from (gantry image list), and the name it gets: 1 to 63 of a-z, 0-9 and '-'.";
        what.CompletionSources.Add(context => context.ParseResult.GetResult(what) is { Tokens.Count: > 0 }
            ? [] : NamesOfDaemon.Ask(app, context.ParseResult, "/images").Select(name => new CompletionItem(name)));
        var kind = Choose.Optional<InstanceKind>("--kind", "What it is.");
        var cpus = Choose.Number("--cpus", "How many CPUs. Default 1.", least: 1);
        var memory = Choose.Size("--memory", "How much memory: 128MiB, 1GiB. Default 128 MiB for a microVM or container, 512 MiB for a VM.");
        var maxCpus = Choose.Number("--max-cpus", "How many CPUs a VM can be given while it runs. Default: as many as its node has.", least: 1);
        var maxMemory = Choose.Size("--max-memory", "How much memory a VM can be given while it runs. Default: twice its memory from 1 GiB on, else no more.");
        var driver = Choose.Text("--driver", "What runs it (gantry driver list).", "DRIVER");
        var kernel = Choose.Text("--kernel", "A kernel on this machine, in place of the image's.", "FILE");
        var initrd = Choose.Text("--initrd", "An initial RAM disk on this machine, in place of the image's.", "FILE");
        var commandLine = Choose.Text("--command-line", "Added behind what Gantry puts on the kernel's command line.", "TEXT");
        var disk = Choose.Size("--disk", "How large its first disk is: 10GiB. Default: as large as the image's.");
        var cdrom = new Option<string[]>("--cdrom") { HelpName = "[DRIVE=]FILE" };
        cdrom.Description = "A disc in a drive: an ISO file on this machine that everyone may read. May be given several times; the drive is 'cdrom' when none is named.";
        var network = new Option<string[]>("--network") { HelpName = "NETWORK[=ADDRESS]" };
        network.Description = "A network it is on, and if you like its address there; several make several NICs, eth0 the first; none for no network. Default: the node's default network.";
        var firmware = Choose.Optional<Firmware>("--firmware", "What it boots by. Default: what its image wants.");
        var secureBoot = Choose.Flag("--secure-boot", "Boot only what is signed; with --firmware uefi.");
        var tpm = Choose.Flag("--tpm", "Give it a TPM 2.0.");
        var architecture = Choose.Optional<Architecture>("--architecture", "Its processor. Default: its image's, or else this machine's.");
        var label = new Option<string[]>("--label") { Description = "A label; may be given several times.", HelpName = "KEY=VALUE" };
        var description = Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT");
        var autoStart = Choose.Flag("--auto-start", "Start it when the host has booted.");
        var template = Choose.Text("--template", "What says all that is left out here (gantry template list).", "TEMPLATE");
        var cloudInit = new CloudInitInput();
        var (file, sets) = (SettingsInput.File(), SettingsInput.Sets());
        var dryRun = Choose.Flag("--dry-run", "Show what would be made, and where each value comes from; make nothing.");

        Symbol[] options =
        [
            what, kind, cpus, memory, maxCpus, maxMemory, driver, kernel, initrd, commandLine, disk, cdrom, network, firmware, secureBoot, tpm, architecture, .. cloudInit.Options,
            label, description, autoStart, template, file, sets, dryRun,
        ];
        return verb.With(options).Runs(app, async (parsed, session, ct) =>
        {
            cloudInit.DemandOneReader(parsed, parsed.GetValue(file));
            var (image, name) = Named(parsed.GetValue(what)!, (parsed.GetValue(kernel) ?? parsed.GetValue(template) ?? parsed.GetValue(file)) is not null, verb.Name);
            var boot = new Boot
            {
                Kernel = FullPath(parsed.GetValue(kernel)),
                Initrd = FullPath(parsed.GetValue(initrd)),
                CommandLine = parsed.GetValue(commandLine),
                Firmware = parsed.GetValue(firmware),
            };
            var body = new CreateInstance
            {
                Name = name,
                Image = image,
                Kind = parsed.GetValue(kind),
                Cpus = Cpus(parsed.GetValue(cpus)),
                MemoryBytes = parsed.GetValue(memory),
                MaxCpus = Cpus(parsed.GetValue(maxCpus)),
                MaxMemoryBytes = parsed.GetValue(maxMemory),
                Driver = parsed.GetValue(driver),
                Boot = boot is { Kernel: null, Initrd: null, CommandLine: null, Firmware: null } ? null : boot,
                Architecture = parsed.GetValue(architecture),
                Volumes = Volumes(parsed.GetValue(disk), parsed.GetValue(cdrom) ?? []),
                Nics = Nics(parsed.GetValue(network) ?? []),
                Security = parsed.GetValue(secureBoot) || parsed.GetValue(tpm) ? new() { SecureBoot = parsed.GetValue(secureBoot) ? true : null, Tpm = parsed.GetValue(tpm) ? true : null } : null,
                CloudInit = await cloudInit.ReadAsync(parsed, session, ct),
                Labels = Labels(parsed.GetValue(label) ?? []),
                Description = parsed.GetValue(description),
                AutoStart = parsed.GetValue(autoStart) ? true : null,
                Template = parsed.GetValue(template),
                StartNow = startNow,
            };
            var whole = SettingsInput.Over(await SettingsInput.ReadAsync(session, parsed.GetValue(file), ct), SettingsInput.Of(body, WireJson.Default.CreateInstance));
            foreach (var assignment in parsed.GetValue(sets) ?? [])
            {
                SettingPath.Set(whole, assignment);
            }

            if (parsed.GetValue(dryRun))
            {
                Preview(session, await session.SendAsync(HttpMethod.Post, "/instances?dryRun=true", Content(whole), ct));
                return ExitCode.Done;
            }

            var begun = await session.SendAsync(HttpMethod.Post, "/instances", Content(whole), ct);
            return await Waiting.FinishAsync(session, begun, name, done, ct);
        });
    }

    private static IReadOnlyList<Nic>? Nics(string[] networks) => networks switch
    {
        [] => null,
        ["none"] => [],
        _ => [.. networks.Select((network, number) => network.Split('=', 2) is [var name, var address]
            ? new Nic { Name = $"eth{number}", Network = name, Address = address } : new Nic { Name = $"eth{number}", Network = network })],
    };

    private static (string? Image, string Name) Named(string[] given, bool needsNone, string verb) => given switch
    {
        [var image, var name] => (image, name),
        [var name] when needsNone => (null, name),
        _ => throw new WrongUseException($"`gantry {verb}` needs an image and a name.", $"For example `gantry {verb} micro web1`; `gantry image list` shows the images."),
    };

    /// <summary>The disk is named as the one an image brings along, so that its size is that one's.</summary>
    private static Volume[]? Volumes(long? diskBytes, string[] cdroms) => diskBytes is null && cdroms.Length == 0 ? null :
    [
        .. diskBytes is { } size ? (Volume[])[new() { Name = "root", SizeBytes = size }] : [],
        .. cdroms.Select(Drive),
    ];

    private static Volume Drive(string text)
    {
        var at = text.IndexOf('=', StringComparison.Ordinal);
        var (drive, file) = at > 0 && Limits.IsName(text[..at]) ? (text[..at], text[(at + 1)..]) : ("cdrom", text);
        return new() { Name = drive, Device = VolumeDevice.Cdrom, Path = FullPath(file) };
    }

    private static void Preview(Session session, byte[] answer) => session.Show(answer, WireJson.Default.InstancePreview, preview => [preview.Name], preview =>
    {
        session.Out.WriteLine($"{Words.Clean(preview.Name)} would be made with:");
        session.Out.WriteLine();
        SettingsTable.Write(session, preview.Settings, preview.Origins);
    });

    private static StringContent Content(JsonObject body) => new(body.ToJsonString(), Encoding.UTF8, new MediaTypeHeaderValue("application/json"));

    private static string? FullPath(string? path) => path is null ? null : Path.GetFullPath(path);

    public static int? Cpus(long? given) => given > int.MaxValue
        ? throw new WrongUseException($"{given} are no CPUs one has.", $"Accepted is {Limits.MinCpus} to {Limits.MaxCpus}.") : (int?)given;

    public static Dictionary<string, string>? Labels(string[] given)
    {
        var labels = new Dictionary<string, string>();
        foreach (var text in given)
        {
            var at = text.IndexOf('=', StringComparison.Ordinal);
            if (at < 1 || !labels.TryAdd(text[..at], text[(at + 1)..]))
            {
                throw new WrongUseException($"'{text}' does not do for --label{(at < 1 ? "" : ": the key is there twice")}.", "Accepted is KEY=VALUE, each key once.");
            }
        }

        return labels.Count == 0 ? null : labels;
    }
}
