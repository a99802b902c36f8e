using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Daemon.Instances;

internal static class InstanceErrors
{
    public static Refusal Unknown(string name) => Refusal.NotFound(
        "instance.unknown", $"There is no instance '{Shown(name)}'.", "`gantry list` shows those there are.");

    public static Refusal NameTaken(string name) => Refusal.Conflict(
        "instance.name_taken", $"An instance '{name}' exists already.", "Choose another name, or delete that one first.");

    public static Refusal WrongState(string name, InstanceAction action, InstanceState state, string hint) => Refusal.Conflict(
        "instance.wrong_state", $"'{name}' is {Word(state)}: {Word(action)} is not possible now.", hint);

    public static Refusal Changed(string name) => new(
        "instance.changed", 412, $"'{name}' was changed since it was read.", "Read it again and repeat with its new ETag.");

    /// <param name="what">That cannot be, as <c>'web' cannot be deleted</c>.</param>
    /// <param name="linked">Some of them stand on it; else they are being copied from it.</param>
    public static Refusal HasClones(string what, IReadOnlyList<string> clones, int count, bool linked)
    {
        var names = $"{string.Join(", ", clones)}{(count > clones.Count ? string.Create(CultureInfo.InvariantCulture, $" and {count - clones.Count} more") : "")}";
        return linked
            ? Refusal.Conflict("clone.stands_on_it", $"{what}: on it {(count == 1 ? "stands the linked clone" : "stand the linked clones")} {names}.", $"Make {(count == 1 ? "it" : "each")} stand alone with `gantry promote {clones[0]}`, or delete {(count == 1 ? "it" : "them")}, first.")
            : Refusal.Conflict("clone.stands_on_it", $"{what}: {names} {(count == 1 ? "is" : "are")} being copied from it.", "Wait for that: `gantry operation list`.");
    }

    public static Refusal IsTemplate(string name) => Refusal.Conflict(
        "instance.is_template", $"'{name}' is a template, which is cloned and not started.", $"Clone it: `gantry clone {name} NAME`; or make it an instance as others again: `gantry set {name} --template false`.");

    public static Refusal NoTemplate(string name, InstanceState state) => Refusal.Conflict(
        "instance.wrong_state", $"'{name}' is {Word(state)}: only a stopped instance becomes a template.", $"Stop it first: `gantry shutdown {name}`.");

    public static Refusal NothingToBoot(Firmware firmware) => Refusal.Invalid(
        "instance.nothing_to_boot", firmware == Firmware.Direct ? "Neither an image nor a kernel is named." : "Neither an image nor a volume is named, so there is nothing to boot from.",
        "Name an image (`gantry image list`), give boot.kernel, or give volumes and boot by bios or uefi.");

    public static Refusal NicTaken(string instance, string nic) => Refusal.Conflict("nic.taken", $"'{instance}' has a NIC '{nic}' already.", "Choose another name.");

    public static Refusal TooManyNics(string instance) => Refusal.Conflict("nic.too_many", $"'{instance}' has {Limits.Nics} NICs, and no more are possible.", "Remove one first.");

    /// <param name="what">Of the instance: <c>NICs</c>, <c>volumes</c> …</param>
    public static Refusal WrongStateFor(string what, string instance, InstanceState state) => Refusal.Conflict(
        "instance.wrong_state", $"'{instance}' is {Word(state)}: its {what} cannot be changed now.", "Wait for its operation: `gantry operation list`; or see what is wrong with it: `gantry info`.");

    public static string Shown(string name) => name.Length <= 80 && !name.Any(char.IsControl) ? name : $"({name.Length.ToString(CultureInfo.InvariantCulture)} characters)";

    private static string Word<TEnum>(TEnum value)
        where TEnum : struct, Enum => value.ToString().ToLowerInvariant();
}
