using Gantry.Contracts;

namespace Gantry.Node.Images;

public static class ImageErrors
{
    public static Refusal RecipeUnknown(string recipe, IEnumerable<string> known) => Refusal.Invalid(
        "image.recipe_unknown", $"There is no recipe '{(Limits.IsName(recipe) ? recipe : "so named")}' for an image.", $"There are: {string.Join(", ", known.Order(StringComparer.Ordinal))}.");

    public static Refusal PackagesUnavailable(string package, string why) => Refusal.Unavailable(
        "image.packages_unavailable", $"The Debian package {package} cannot be had: {why}", "Run `apt-get update` on the node and see that it reaches a Debian mirror; then try again.");

    public static Refusal FilesMissing(string path, string why) => Refusal.Unavailable(
        "image.files_missing", $"The image's {path} cannot be read: {why}", "Delete the image and build it again.");

    public static Refusal PackageOdd(string package, string what) => Refusal.Unavailable(
        "image.package_odd", $"The Debian package {package} is not as expected: {what}", "Build on a node with Debian 12 or newer.");
}
