using Gantry.Contracts;

namespace Gantry.Daemon.Pools;

internal static class PoolVolumeErrors
{
    /// <param name="elsewhere">A pool that has one of that name; null where none has.</param>
    public static Refusal Unknown(string pool, string volume, string? elsewhere = null) => Refusal.NotFound(
        "volume.unknown", $"The pool '{pool}' has no volume '{(Limits.IsName(volume) ? volume : "so named")}' that belongs to no instance.",
        elsewhere is null ? $"`gantry volume list --pool {pool}` shows those there are." : $"There is one in the pool '{elsewhere}': say so (`--pool {elsewhere}`).");

    public static Refusal NameTaken(string pool, string volume) => Refusal.Conflict(
        "volume.name_taken", $"The pool '{pool}' has a volume '{volume}' already that belongs to no instance.", "Choose another name.");

    public static Refusal Changed(string volume) => new(
        "volume.changed", 412, $"The volume '{volume}' was changed since it was read.", "Read it again and repeat with its new ETag.");

    /// <param name="instance">That it is on its way to or from.</param>
    public static Refusal Busy(string volume, PoolVolumeState state, string? instance) => Refusal.Conflict(
        "volume.busy",
        $"The volume '{volume}' is being {state switch
        {
            PoolVolumeState.Creating => "made",
            PoolVolumeState.Attaching => $"attached to '{instance}'",
            PoolVolumeState.Detaching => $"detached from '{instance}'",
            PoolVolumeState.Changing => "changed",
            _ => "deleted",
        }}.",
        "`gantry operation list` shows how far that is.");

    public static Refusal ImageHasNoDisk(string volume, string image) => Refusal.Invalid(
        "volume.image_has_no_disk", $"The volume '{volume}' names the image '{image}', which has no disk.", "`gantry image info` shows what an image is made of.");

    public static Refusal TooSmall(string volume, long size, long least) => Refusal.Invalid(
        "volume.too_small", $"The volume '{volume}' has {size} bytes; its image has {least}.", "Make it at least as large as its image.");
}
