using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>Where the files of an image lie: a folder named by its id. It is there whole or not at all.</summary>
public static class ImageFolders
{
    public static string Path(GantryRoot root, Id<Image> id) => $"{root.Images}/{id}";

    public static string Kernel(GantryRoot root, Id<Image> id) => $"{Path(root, id)}/kernel";

    public static string Initrd(GantryRoot root, Id<Image> id) => $"{Path(root, id)}/initrd";

    /// <summary>Where it is made; renamed when it is done.</summary>
    internal static string Workshop(GantryRoot root, Id<Image> id) => $"{root.Images}/.{id}.new";

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

/// <summary>What a build made.</summary>
/// <param name="Sha256">Of each file, by file name, in lower-case hexadecimal.</param>
/// <param name="CommandLine">What the image wants on the kernel's command line; null for nothing.</param>
public sealed record ImageFiles(long SizeBytes, IReadOnlyDictionary<string, string> Sha256, InstanceKind DefaultKind, string? CommandLine);
