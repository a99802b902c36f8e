using Gantry.Contracts;

namespace Gantry.Daemon.Images;

internal static class ImageErrors
{
    private const int NamedAtMost = 10;

    public static Refusal Unknown(string name) => Refusal.NotFound(
        "image.unknown", $"There is no image '{(Limits.IsName(name) ? name : "so named")}'.", "`gantry image list` shows those there are; `gantry image build micro` makes a small one.");

    public static Refusal NotReady(string name) => Refusal.Conflict(
        "image.not_ready", $"The image '{name}' is still being made.", "Wait for its operation: `gantry operation list`.");

    public static Refusal NameTaken(string name) => Refusal.Conflict(
        "image.name_taken", $"An image '{name}' exists already.", "Choose another name, or delete that one first.");

    public static Refusal InUse(string name, IReadOnlyList<string> users) => Refusal.Conflict(
        "image.in_use", $"The image '{name}' is used by {string.Join(", ", users.Take(NamedAtMost))}{(users.Count > NamedAtMost ? $" and {users.Count - NamedAtMost} more" : "")}.",
        $"Delete these first; `gantry list --filter \"image eq {name}\"` shows the instances.");

    public static Refusal Changed(string name) => new(
        "image.changed", 412, $"The image '{name}' was changed since it was read.", "Read it again and repeat with its new ETag.");

    public static Refusal PathNotLocal { get; } = new(
        "image.path_not_local", 403, "Only a local administrator may name files of the node.", "Use the Unix socket on the node itself, or send the disk: `gantry image import FILE`.");
}
