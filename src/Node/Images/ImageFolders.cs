using System.Text.Json;
using System.Text.Json.Serialization;
using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>Where the files of an image lie: a folder named by its id. It is there whole or not at all.</summary>
public static class ImageFolders
{
    public static string Path(GantryRoot root, Id<Image> id) => $"{root.Images}/{id}";

    public static string Kernel(GantryRoot root, Id<Image> id) => $"{Path(root, id)}/kernel";

    public static string Initrd(GantryRoot root, Id<Image> id) => $"{Path(root, id)}/initrd";

    /// <summary>Always a qcow2 that stands alone, for instances to lay theirs over.</summary>
    public static string Disk(GantryRoot root, Id<Image> id) => $"{Path(root, id)}/disk";

    /// <summary>Where it is made; renamed when it is done.</summary>
    internal static string Workshop(GantryRoot root, Id<Image> id) => $"{root.Images}/.{id}.new";

    /// <exception cref="Refusal"><c>image.files_missing</c></exception>
    public static ImageFiles Read(GantryRoot root, Id<Image> id)
    {
        var path = $"{Path(root, id)}/image.json";
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), ImageJson.Default.ImageFiles) ?? throw new JsonException("it says null");
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            throw ImageErrors.FilesMissing(path, e.Message);
        }
    }

    internal static void Write(string folder, ImageFiles files) =>
        Host.AtomicFile.Write($"{folder}/image.json", JsonSerializer.SerializeToUtf8Bytes(files, ImageJson.Default.ImageFiles));

    public static void Remove(GantryRoot root, Id<Image> id)
    {
        foreach (var folder in (string[])[Workshop(root, id), Path(root, id)])
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }
}

/// <summary>What an image is; lies as <c>image.json</c> beside the files it tells of. The last four are left out by older ones.</summary>
/// <param name="Sha256">Of each file, by file name, in lower-case hexadecimal.</param>
/// <param name="CommandLine">What the image wants on the kernel's command line; null for nothing.</param>
/// <param name="DiskBytes">What a guest sees of <c>disk</c>; null when there is none.</param>
/// <param name="Source">Where it came from, for people: a recipe, a file's name, an address without its secrets.</param>
public sealed record ImageFiles(
    long SizeBytes, IReadOnlyDictionary<string, string> Sha256, InstanceKind DefaultKind, string? CommandLine, string Description,
    Architecture Architecture = Architecture.X86_64, long? DiskBytes = null, Firmware Firmware = Firmware.Direct, string? Source = null)
{
    public bool Has(string file) => Sha256.ContainsKey(file);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, WriteIndented = true)]
[JsonSerializable(typeof(ImageFiles))]
internal sealed partial class ImageJson : JsonSerializerContext;
