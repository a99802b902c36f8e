using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Gantry.Contracts;

namespace Gantry.Node.Instances;

/// <summary>
/// The answer file of an unattended Windows setup: a pure function. Setup takes it from the root of any disc
/// (https://learn.microsoft.com/windows-hardware/customize/desktop/unattend).
/// </summary>
internal static class WindowsAnswers
{
    public const string FileName = "autounattend.xml";

    private const int ComputerNameLength = 15;
    private const string Account = "gantry";

    private static readonly XNamespace Unattend = "urn:schemas-microsoft-com:unattend";
    private static readonly XNamespace Wcm = "http://schemas.microsoft.com/WMIConfig/2002/State";

    /// <summary>What a machine needs while it is being set up: its disk and its network card. The rest is installed at the first logon.</summary>
    private static readonly string[] Drivers = ["viostor", "vioscsi", "NetKVM"];

    /// <summary>Letters that setup may have given the disc with the drivers.</summary>
    private static readonly string[] Letters = ["D", "E", "F", "G"];

    /// <summary>By what an edition's name begins with: the folder that the drivers' disc has for it.</summary>
    private static readonly (string Edition, string Folder)[] Releases =
    [
        ("Windows 11", "w11"), ("Windows 10", "w10"), ("Windows Server 2025", "2k25"), ("Windows Server 2022", "2k22"), ("Windows Server 2019", "2k19"),
    ];

    /// <param name="instance">The instance's name.</param>
    public static byte[] Write(WindowsSetup setup, string instance, string password)
    {
        var document = new XDocument(new XElement(Unattend + "unattend",
            new XAttribute(XNamespace.Xmlns + "wcm", Wcm),
            Pass("windowsPE", Languages("Microsoft-Windows-International-Core-WinPE", setup, setupLanguage: true), DriverPaths(setup), Setup(setup)),
            Pass("specialize", Component("Microsoft-Windows-Shell-Setup", E("ComputerName", setup.ComputerName ?? ComputerNameOf(instance)), E("TimeZone", setup.TimeZone ?? "UTC"))),
            Pass("oobeSystem", Languages("Microsoft-Windows-International-Core", setup, setupLanguage: false), FirstStart(setup, password))));
        using var bytes = new MemoryStream();
        using (var writer = XmlWriter.Create(bytes, new() { Encoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), Indent = true }))
        {
            document.Save(writer);
        }

        return bytes.ToArray();
    }

    /// <summary>As much of an instance's name as Windows takes; what it would refuse, digits alone, it makes up itself (<c>*</c>).</summary>
    internal static string ComputerNameOf(string instance)
    {
        var name = (instance.Length > ComputerNameLength ? instance[..ComputerNameLength] : instance).TrimEnd('-');
        return name.All(char.IsAsciiDigit) ? "*" : name;
    }

    private static XElement Languages(string component, WindowsSetup setup, bool setupLanguage)
    {
        var locale = setup.Locale ?? "en-US";
        return Component(component,
            setupLanguage ? E("SetupUILanguage", E("UILanguage", locale)) : null,
            E("InputLocale", locale), E("SystemLocale", locale), E("UILanguage", locale), E("UserLocale", locale));
    }

    private static XElement DriverPaths(WindowsSetup setup)
    {
        var folders = Releases.Where(r => setup.Edition?.StartsWith(r.Edition, StringComparison.OrdinalIgnoreCase) == true).Select(r => r.Folder).ToList();
        var paths = from letter in Letters
                    from driver in Drivers
                    from folder in folders.Count > 0 ? folders : [.. Releases.Select(r => r.Folder)]
                    select $@"{letter}:\{driver}\{folder}\amd64";
        return Component("Microsoft-Windows-PnpCustomizationsWinPE", E("DriverPaths", [.. paths.Index().Select(p =>
            E("PathAndCredentials", Add, new XAttribute(Wcm + "keyValue", Number(p.Index + 1)), E("Path", p.Item)))]));
    }

    /// <summary>The whole first disk: EFI, Microsoft's reserved partition, Windows.</summary>
    private static XElement Setup(WindowsSetup setup) => Component("Microsoft-Windows-Setup",
        E("DiskConfiguration", E("WillShowUI", "OnError"), E("Disk", Add,
            E("DiskID", "0"), E("WillWipeDisk", "true"),
            E("CreatePartitions",
                E("CreatePartition", Add, E("Order", "1"), E("Type", "EFI"), E("Size", "260")),
                E("CreatePartition", Add, E("Order", "2"), E("Type", "MSR"), E("Size", "16")),
                E("CreatePartition", Add, E("Order", "3"), E("Type", "Primary"), E("Extend", "true"))),
            E("ModifyPartitions",
                E("ModifyPartition", Add, E("Order", "1"), E("PartitionID", "1"), E("Format", "FAT32"), E("Label", "System")),
                E("ModifyPartition", Add, E("Order", "2"), E("PartitionID", "2")),
                E("ModifyPartition", Add, E("Order", "3"), E("PartitionID", "3"), E("Format", "NTFS"), E("Label", "Windows"), E("Letter", "C"))))),
        E("ImageInstall", E("OSImage",
            setup.Edition is { } edition ? E("InstallFrom", E("MetaData", Add, E("Key", "/IMAGE/NAME"), E("Value", edition))) : null,
            E("InstallTo", E("DiskID", "0"), E("PartitionID", "3")),
            E("WillShowUI", "OnError"))),
        E("UserData",
            E("AcceptEula", "true"),
            E("FullName", setup.AccountName ?? Account),
            setup.Organization is { } organization ? E("Organization", organization) : null,
            E("ProductKey", E("Key", setup.ProductKey ?? ""), E("WillShowUI", setup.ProductKey is null ? "Never" : "OnError"))));

    private static XElement FirstStart(WindowsSetup setup, string password) => Component("Microsoft-Windows-Shell-Setup",
        E("OOBE",
            E("HideEULAPage", "true"), E("HideLocalAccountScreen", "true"), E("HideOEMRegistrationScreen", "true"), E("HideOnlineAccountScreens", "true"),
            E("HideWirelessSetupInOOBE", "true"), E("ProtectYourPC", "3")),
        E("UserAccounts",
            E("AdministratorPassword", E("Value", password), E("PlainText", "true")),
            E("LocalAccounts", E("LocalAccount", Add,
                E("Name", setup.AccountName ?? Account), E("Group", "Administrators"), E("Password", E("Value", password), E("PlainText", "true"))))),

        // Commands of a first logon need one; after it nobody is logged on by himself.
        E("AutoLogon", E("Enabled", "true"), E("LogonCount", "1"), E("Username", setup.AccountName ?? Account), E("Password", E("Value", password), E("PlainText", "true"))),
        E("FirstLogonCommands",
            Installation(1, "VirtIO drivers", @"virtio-win-gt-x64.msi"),
            Installation(2, "QEMU guest agent", @"guest-agent\qemu-ga-x86_64.msi")));

    private static XElement Installation(int order, string what, string msi) => E("SynchronousCommand", Add,
        E("Order", Number(order)),
        E("CommandLine", $@"cmd.exe /c ""for %d in ({string.Join(' ', Letters)}) do if exist %d:\{msi} msiexec.exe /i %d:\{msi} /qn /norestart"""),
        E("Description", what),
        E("RequiresUserInput", "false"));

    private static XAttribute Add => new(Wcm + "action", "add");

    private static XElement Pass(string name, params XElement[] components) => E("settings", new XAttribute("pass", name), components);

    private static XElement Component(string name, params object?[] content) => E("component",
        new XAttribute("name", name), new XAttribute("processorArchitecture", "amd64"), new XAttribute("publicKeyToken", "31bf3856ad364e35"),
        new XAttribute("language", "neutral"), new XAttribute("versionScope", "nonSxS"), content);

    private static XElement E(string name, params object?[] content) => new(Unattend + name, content);

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
