using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>Makes images by recipe.</summary>
internal sealed class ImageBuilder(NodeContext node, IReadOnlyDictionary<string, Recipe> recipes)
{
    /// <exception cref="Refusal"><c>image.recipe_unknown</c></exception>
    public Recipe Recipe(string name) => recipes.GetValueOrDefault(name) ?? throw ImageErrors.RecipeUnknown(name, recipes.Keys);

    public async Task<ImageFiles> BuildAsync(Id<Image> id, string name, Action<Progress> report, CancellationToken ct)
    {
        var recipe = Recipe(name);
        var workshop = ImageFolders.Workshop(node.Root, id);
        if (!Directory.Exists(ImageFolders.Path(node.Root, id)))
        {
            ImageFolders.Remove(node.Root, id);
            try
            {
                await using var making = ImageMaking.Begin(node, id);
                await recipe.Work(node, making.Folder, workshop, report, ct);
                report(new("check sums", 95));
                await making.FinishAsync(
                    new(0, new Dictionary<string, string>(), recipe.DefaultKind, recipe.CommandLine, recipe.Description, recipe.Architecture, null, recipe.Firmware, $"recipe {name}"), ct);
            }
            finally
            {
                Directory.Delete(workshop, recursive: true);
            }
        }

        return ImageFolders.Read(node.Root, id);
    }
}
