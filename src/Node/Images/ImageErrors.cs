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

    public static Refusal ToolMissing(string program, string package) => Refusal.Unavailable(
        "image.tool_missing", $"This node has no {program}.", $"`apt-get install {package}` on the node; then try again.");

    public static Refusal NoSpace(string path) => Refusal.Unavailable(
        "image.no_space", $"The file system of {Path.GetDirectoryName(path)} has not enough space left for the image.", "Make room on the node; then try again. Nothing was kept.");

    public static Refusal Unpacks(string path) => Refusal.Invalid(
        "image.too_large", $"The disk {Path.GetFileName(path)} unpacks to more than it says it holds, or than there is room for.", "Look at it with `qemu-img check`; nothing of it was kept.");

    public static Refusal Damaged(string why) => Refusal.Invalid(
        "image.damaged", $"The disk cannot be read: {why}", "Get it anew and compare its SHA-256; `qemu-img check` tells more.");
}
