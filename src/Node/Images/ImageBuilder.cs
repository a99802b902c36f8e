using System.Security.Cryptography;
using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>Makes images by recipe, each in a folder beside its own that is renamed when all is in it.</summary>
internal sealed class ImageBuilder(NodeContext node, IReadOnlyDictionary<string, Recipe> recipes)
{
    private const UnixFileMode PassThrough = (UnixFileMode)0b111_101_101;

    /// <exception cref="Refusal"><c>image.recipe_unknown</c></exception>
    public Recipe Recipe(string name) => recipes.GetValueOrDefault(name) ?? throw ImageErrors.RecipeUnknown(name, recipes.Keys);

    public async Task<ImageFiles> BuildAsync(Id<Image> id, string name, Action<Progress> report, CancellationToken ct)
    {
        var recipe = Recipe(name);
        var done = ImageFolders.Path(node.Root, id);
        if (Directory.Exists(done))
        {
            return ImageFolders.Read(node.Root, id);
        }

        var workshop = ImageFolders.Workshop(node.Root, id);
        ImageFolders.Remove(node.Root, id);
        Directory.CreateDirectory($"{workshop}/image");
        File.SetUnixFileMode($"{workshop}/image", PassThrough);
        try
        {
            await recipe.Work(node, $"{workshop}/image", workshop, report, ct);
            report(new("check sums", 95));
            ImageFolders.Write($"{workshop}/image", await DescribeAsync($"{workshop}/image", name, recipe, ct));
            Directory.Move($"{workshop}/image", done);
            Host.Posix.SyncDirectory(node.Root.Images);
            return ImageFolders.Read(node.Root, id);
        }
        finally
        {
            Directory.Delete(workshop, recursive: true);
        }
    }

    private async Task<ImageFiles> DescribeAsync(string folder, string name, Recipe recipe, CancellationToken ct)
    {
        var sums = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var size = 0L;
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles())
        {
            await using var content = file.OpenRead();
            sums[file.Name] = Convert.ToHexStringLower(await SHA256.HashDataAsync(content, ct));
            size += file.Length;
        }

        var disk = sums.ContainsKey("disk") ? await new QemuImg(node.Shell, node.ToolUids).InfoAsync($"{folder}/disk", "qcow2", ct) : null;
        return new(size, sums, recipe.DefaultKind, recipe.CommandLine, recipe.Description, recipe.Architecture, disk?.VirtualBytes, recipe.Firmware, $"recipe {name}");
    }
}
