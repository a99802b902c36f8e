using Gantry.Contracts;

namespace Gantry.Node.Images;

public static class ImageErrors
{
    /// <summary>ENOSPC, as .NET carries it in <see cref="Exception.HResult"/>.</summary>
    internal const int FullDisk = 28;

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

    public static Refusal Disguised(string what) => Refusal.Invalid(
        "image.disguised", $"The disk is to be taken as raw, but it begins as {what} does.", "Say its format (qcow2, vmdk, vdi, vhdx, vpc), unpack it, or convert it with `qemu-img convert` where it comes from.");

    public static Refusal FormatMismatch(DiskFormat said, string? found) => Refusal.Invalid(
        "image.format_mismatch", $"The disk is said to be {said.ToString().ToLowerInvariant()}; its first bytes are of {(found is null ? "no such disk" : $"{found}")}.", "Leave the format out, or say the right one.");

    public static Refusal HeaderRefused(string why) => Refusal.Invalid(
        "image.header_refused", $"The disk's header is refused: {why}.", "Write it anew with `qemu-img convert` where it comes from.");

    public static Refusal BackingFile() => Refusal.Invalid(
        "image.backing_file", "The disk names a backing file: it is only the difference to another.", "Make one disk of both with `qemu-img convert` where they are, and import that.");

    public static Refusal DataFile() => Refusal.Invalid(
        "image.data_file", "The disk keeps its data in another file.", "Make one file of both with `qemu-img convert` where they are, and import that.");

    public static Refusal Encrypted() => Refusal.Invalid(
        "image.encrypted", "The disk is encrypted.", "Decrypt it with `qemu-img convert` where its key is, and import that.");

    public static Refusal SeveralFiles(string what) => Refusal.Invalid(
        "image.several_files", $"This VMDK is not one file that stands alone ({what}).", "Export it as streamOptimized or monolithicSparse, and import that.");

    public static Refusal TooLarge(long bytes, long most) => Refusal.Invalid(
        "image.too_large", $"The image has {bytes} bytes; at most {most} are taken.", "`images.max_size` in the configuration sets the limit.");

    public static Refusal SumDiffers(string wanted, string found) => Refusal.Invalid(
        "image.sha256_mismatch", $"The disk's SHA-256 is {found}, not {wanted}.", "Compare with what its publisher says; it was changed on the way, or the sum is of another file.");

    public static Refusal FileUnreadable(string path, string why) => Refusal.Invalid(
        "image.file_unreadable", $"{path} cannot be read: {why}", "Name a regular file on the node by its absolute path, not a link.");

    public static Refusal UrlRefused(string why) => Refusal.Invalid(
        "image.url_refused", $"The address is refused: {why}.", "Give an http or https address of a disk, without user name and password.");

    public static Refusal AddressRefused(string address) => Refusal.Invalid(
        "image.address_refused", $"{address} is a link-local address, where clouds keep secrets of this host.", "`images.link_local: allow` in the configuration permits it.");

    public static Refusal DownloadFailed(string host, string why) => Refusal.Unavailable(
        "image.download_failed", $"{host} does not give the disk: {why}", "Check the address and that this node reaches it; then try again.");

    public static Refusal DownloadStalled(string host) => Refusal.Unavailable(
        "image.download_stalled", $"{host} stopped sending the disk and did not go on.", "Try again; what was fetched is not kept.");

    public static Refusal UploadGone { get; } = Refusal.Conflict(
        "image.upload_gone", "What was sent is no longer on the node.", "Send it again.");

    public static Refusal NoDisk(string instance) => Refusal.Conflict(
        "image.no_disk", $"The instance '{instance}' has no disk of its own.", "Make an image of an instance that was made from an image with a disk.");

    /// <param name="keyring">The file.</param>
    public static Refusal NoKey(string keyring) => Refusal.Conflict(
        "pool.not_usable", $"{keyring} is no keyring: a line [client.NAME], and below it a line key = KEY.", "`ceph auth get client.NAME` writes one.");
}
