using System.Text;
using System.Xml.Linq;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Instances;

/// <summary>The disc that answers Windows' setup, read back with the tool that reads any disc.</summary>
public sealed class WindowsAnswersTests : IAsyncDisposable
{
    private static readonly XNamespace Ns = "urn:schemas-microsoft-com:unattend";
    private static readonly XNamespace Wcm = "http://schemas.microsoft.com/WMIConfig/2002/State";

    private readonly TestRoot _root = new();

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    [Fact]
    public async Task A_setup_is_answered_from_the_partitions_to_the_first_logon()
    {
        var spec = await DefineAsync(new()
        {
            ComputerName = "WIN-1",
            Locale = "de-DE",
            TimeZone = "W. Europe Standard Time",
            Edition = "Windows 11 Pro",
            ProductKey = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE",
            Organization = "Müller & <Söhne>",
            AccountName = "ann",
        });

        var answers = await ReadAsync(spec);

        var setup = Component(answers, "windowsPE", "Microsoft-Windows-Setup");
        setup.Descendants(Ns + "CreatePartition").Select(p => ((string?)p.Element(Ns + "Type"), (string?)p.Element(Ns + "Size"), (string?)p.Element(Ns + "Extend")))
            .ShouldBe([("EFI", "260", null), ("MSR", "16", null), ("Primary", null, "true")]);
        setup.Descendants(Ns + "ModifyPartition").Select(p => (string?)p.Element(Ns + "Format")).ShouldBe(["FAT32", null, "NTFS"]);
        Text(setup, "WillWipeDisk").ShouldBe("true");
        (Text(setup, "MetaData", "Key"), Text(setup, "MetaData", "Value"), Text(setup, "InstallTo", "PartitionID")).ShouldBe(("/IMAGE/NAME", "Windows 11 Pro", "3"));
        (Text(setup, "AcceptEula"), Text(setup, "ProductKey", "Key"), Text(setup, "Organization")).ShouldBe(("true", "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", "Müller & <Söhne>"));

        var languages = Component(answers, "windowsPE", "Microsoft-Windows-International-Core-WinPE");
        (Text(languages, "SetupUILanguage", "UILanguage"), Text(languages, "UserLocale")).ShouldBe(("de-DE", "de-DE"));
        Text(Component(answers, "oobeSystem", "Microsoft-Windows-International-Core"), "InputLocale").ShouldBe("de-DE");

        var paths = Component(answers, "windowsPE", "Microsoft-Windows-PnpCustomizationsWinPE").Descendants(Ns + "PathAndCredentials").ToList();
        paths.Select(p => (string?)p.Element(Ns + "Path")).ShouldBe(
            from letter in new[] { 'D', 'E', 'F', 'G' } from driver in new[] { "viostor", "vioscsi", "NetKVM" } select $@"{letter}:\{driver}\w11\amd64");
        paths.Select(p => (string?)p.Attribute(Wcm + "keyValue")).ShouldBeUnique();

        var specialize = Component(answers, "specialize", "Microsoft-Windows-Shell-Setup");
        (Text(specialize, "ComputerName"), Text(specialize, "TimeZone")).ShouldBe(("WIN-1", "W. Europe Standard Time"));

        var first = Component(answers, "oobeSystem", "Microsoft-Windows-Shell-Setup");
        (Text(first, "HideEULAPage"), Text(first, "HideOnlineAccountScreens"), Text(first, "LocalAccount", "Name"), Text(first, "LocalAccount", "Group"), Text(first, "AutoLogon", "LogonCount"))
            .ShouldBe(("true", "true", "ann", "Administrators", "1"));
        var passwords = first.Descendants(Ns + "Value").Select(v => v.Value).Distinct().ToList();
        passwords.Single().ShouldMatch("^[A-Za-z0-9]{23}$");
        first.Descendants(Ns + "CommandLine").Select(c => c.Value).Last()
            .ShouldBe(@"cmd.exe /c ""for %d in (D E F G) do if exist %d:\guest-agent\qemu-ga-x86_64.msi msiexec.exe /i %d:\guest-agent\qemu-ga-x86_64.msi /qn /norestart""");
        answers.Descendants(Ns + "component").ShouldAllBe(c => (string?)c.Attribute("processorArchitecture") == "amd64" && (string?)c.Attribute("publicKeyToken") == "31bf3856ad364e35");
    }

    [Fact]
    public async Task What_is_not_said_has_its_default()
    {
        var answers = await ReadAsync(await DefineAsync(null));

        var setup = Component(answers, "windowsPE", "Microsoft-Windows-Setup");
        (Text(setup, "ProductKey", "Key"), Text(setup, "ProductKey", "WillShowUI"), setup.Descendants(Ns + "MetaData").Any(), setup.Descendants(Ns + "Organization").Any()).ShouldBe(("", "Never", false, false));
        var specialize = Component(answers, "specialize", "Microsoft-Windows-Shell-Setup");
        (Text(specialize, "ComputerName"), Text(specialize, "TimeZone")).ShouldBe(("a-name-that-is", "UTC"));
        answers.Descendants(Ns + "Path").Select(p => p.Value).ShouldContain(@"E:\viostor\2k22\amd64");
    }

    [Theory]
    [InlineData("web1", "web1")]
    [InlineData("a-name-that-is-too-long", "a-name-that-is")]
    [InlineData("123456789012345678", "*")]
    public void A_computer_is_named_as_its_instance_as_far_as_Windows_can(string instance, string name) => WindowsAnswers.ComputerNameOf(instance).ShouldBe(name);

    [Fact]
    public async Task The_disc_is_roots_alone_and_nothing_is_left_beside_it()
    {
        var spec = await DefineAsync(new());
        var folder = _root.Context.Folders.Data(spec.Id);

        File.GetUnixFileMode($"{folder}/answers.iso").ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Posix.TryOwnerOf($"{folder}/answers.iso").ShouldBe(0);
        Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).ShouldBe(["answers.iso", "spec.json"], ignoreOrder: true);
        var label = new byte[32];
        await using var disc = File.OpenRead($"{folder}/answers.iso");
        disc.Position = (16 * 2048) + 40;
        await disc.ReadExactlyAsync(label);
        Encoding.ASCII.GetString(label).Trim().ShouldBe("GANTRY_ANSWERS");
    }

    [Fact]
    public async Task Defined_again_as_it_was_it_keeps_its_disc_and_otherwise_gets_another()
    {
        var spec = await DefineAsync(new());
        var path = $"{_root.Context.Folders.Data(spec.Id)}/answers.iso";
        var first = await File.ReadAllBytesAsync(path);

        // A leftover of one that was killed in the middle of it.
        await File.WriteAllTextAsync($"{path}.new", "half");
        spec = await _root.DefineAsync(spec);
        (await File.ReadAllBytesAsync(path)).ShouldBe(first);

        spec = await _root.DefineAsync(spec with { Windows = new() { Locale = "fr-FR" } });
        File.Exists($"{path}.new").ShouldBeFalse();
        Text(Component(await ReadAsync(spec), "oobeSystem", "Microsoft-Windows-International-Core"), "UserLocale").ShouldBe("fr-FR");

        await _root.DefineAsync(spec with { Volumes = [] });
        File.Exists(path).ShouldBeFalse();
    }

    private Task<InstanceSpec> DefineAsync(WindowsSetup? windows) => _root.DefineAsync(new(
        Id<Instance>.New(), "a-name-that-is-too-long", InstanceKind.Vm, "qemu", 2, 4L << 30, Firmware.Uefi, null, null, null, 0)
    {
        Windows = windows,
        Volumes = [new("answers", VolumeDevice.Cdrom, null, null, 0, VolumeBus.Sata, VolumeCache.Writeback, ReadOnly: true, Generated: GeneratedDisc.WindowsAnswers)],
    });

    private async Task<XElement> ReadAsync(InstanceSpec spec)
    {
        var file = $"{_root.Path}/read.xml";
        await _root.Context.Shell.RunAsync(new("xorriso",
            ["-osirrox", "on", "-indev", $"{_root.Context.Folders.Data(spec.Id)}/answers.iso", "-joliet", "on", "-extract", "/autounattend.xml", file], TimeSpan.FromMinutes(2)), default);
        var root = XDocument.Load(file).Root!;
        File.Delete(file);
        root.Name.ShouldBe(Ns + "unattend");
        return root;
    }

    private static XElement Component(XElement answers, string pass, string name) => answers.Elements(Ns + "settings").Single(s => (string?)s.Attribute("pass") == pass)
        .Elements(Ns + "component").Single(c => (string?)c.Attribute("name") == name);

    private static string? Text(XElement within, params string[] path) =>
        (string?)path.Skip(1).Aggregate(within.Descendants(Ns + path[0]).FirstOrDefault(), (element, name) => element?.Element(Ns + name));
}
