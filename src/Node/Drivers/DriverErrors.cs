using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Node.Drivers;

public static class DriverErrors
{
    public static Refusal Unknown(string driver) => Refusal.Invalid(
        "driver.unknown", $"There is no driver '{driver}'.", "List them with `gantry driver list`.");

    public static Refusal Unusable(string driver, string reason) => Refusal.Unavailable(
        "driver.unusable", $"The driver '{driver}' cannot run instances here: {reason}", "`gantry doctor` says what is missing and how to get it.");

    public static Refusal KindNotRun(string driver, InstanceKind kind) => Refusal.Invalid(
        "driver.kind_not_run", $"The driver '{driver}' runs no instances of kind '{kind.ToString().ToLowerInvariant()}'.", "`gantry driver list` shows which driver runs which kinds.");

    public static Refusal ArchitectureNotRun(string driver, InstanceKind kind, Architecture architecture) => Refusal.Invalid(
        "driver.architecture", $"The driver '{driver}' runs no {Word(kind)} whose processor is {Word(architecture)}.", "A microVM is x86_64; a VM is x86_64, aarch64, riscv64 or ppc64le.");

    public static Refusal FirmwareMissing(Architecture architecture, bool secureBoot) => Refusal.Unavailable(
        "driver.firmware_missing", $"This node has no UEFI firmware for {Word(architecture)}{(secureBoot ? " with Secure Boot" : "")}.", "Install it on the node: `apt-get install ovmf` for x86_64, `qemu-efi-aarch64` for aarch64.");

    public static Refusal TpmMissing { get; } = Refusal.Unavailable(
        "driver.tpm_missing", "This node has no swtpm, which is a guest's TPM.", "Install it on the node: `apt-get install swtpm`.");

    public static Refusal HugePagesMissing(long pageBytes, long wanted, long free) => Refusal.Unavailable(
        "driver.huge_pages_missing", $"{wanted} huge pages of {pageBytes >> 20} MiB are needed and {free} are free on this node.", $"Reserve them: write the number into /sys/kernel/mm/hugepages/hugepages-{pageBytes >> 10}kB/nr_hugepages.");

    private static string Word<TEnum>(TEnum value)
        where TEnum : struct, Enum => value.ToString().ToLowerInvariant();

    public static Refusal Cannot(string driver, string what) => Refusal.Invalid(
        "driver.cannot", $"The driver '{driver}' cannot {what}.", "`gantry driver list` shows what each driver can do.");

    public static Refusal StartFailed(string name, string lastWords) => Refusal.Unavailable(
        "driver.start_failed", $"'{name}' did not start: {lastWords}", "`gantry command-line NAME` shows how it is started; `gantry doctor` checks this host.");

    public static Refusal IsolationMissing(string name, string what, string why) => Refusal.Unavailable(
        "isolation.missing", $"'{name}' was not started without {what}: {why}.", "`gantry doctor` says what this host has; `isolation.required` in the configuration says what a guest is not started without.");

    public static Refusal ShutdownTimeout(string name, TimeSpan grace) => new(
        "instance.shutdown_timeout", 504, string.Create(CultureInfo.InvariantCulture, $"'{name}' did not shut down within {grace.TotalSeconds:0.#} s; it is still running."),
        "Give it longer with --timeout, or end it with `gantry stop`.");

    public static Refusal NotRunning(Id<Instance> id) => Refusal.Conflict(
        "instance.not_running", $"Instance {id} is not running.", "Start it with `gantry start`.");

    public static Refusal MemoryNotSaved(string name, string why) => Refusal.Unavailable(
        "memory.not_saved", $"The memory of '{name}' could not be saved: {why.TrimEnd('.')}.", "Take the snapshot without memory, or see to what keeps it from being saved and try again. The guest goes on as it was.");

    public static Refusal RunsAlready(Id<Instance> id) => Refusal.Conflict(
        "instance.wrong_state", $"Instance {id} runs: it cannot go on from memory that was kept.", "Stop it first, or restore with --stop.");

    public static Refusal ConsoleTooOld(Id<Instance> id) => Refusal.Conflict(
        "console.supervisor_too_old", $"Instance {id} was started by an earlier Gantry, whose supervisor has no console.", "Stop it and start it again; `gantry logs` shows what it wrote.");

    public static Refusal ConsoleFull(Id<Instance> id) => Refusal.Conflict(
        "console.too_many", $"Instance {id} has as many consoles open as there may be, {Limits.ConsolesPerInstance}.", "Close one of them.");

    public static Refusal ConsoleSilent(Id<Instance> id) => new(
        "console.no_answer", 504, $"The supervisor of instance {id} does not answer.", "Try again; `gantry info` says how the instance is.");

    public static Refusal KernelNeeded(string driver, InstanceKind kind) => Refusal.Invalid(
        "kernel.needed", $"The driver '{driver}' boots a {kind.ToString().ToLowerInvariant()} from a kernel, and none is named.", "Name an image (`--image`) or a kernel (`--kernel`).");

    public static Refusal NotOurs(Id<Instance> id, int pid, string why) => Refusal.Conflict(
        "driver.not_ours", $"Process {pid} was started for instance {id}, but {why}.", "Look at the process; `gantry stop NAME` ends it.");

    public static Refusal NoAnswer(string name, string why) => new(
        "driver.no_answer", 504, $"The process that runs '{name}' does not answer: {why}", "Try again; `gantry stop NAME` ends it even when it hangs.");

    public static Refusal FileMissing(string what, string path, string why) => Refusal.Invalid(
        $"{what}.missing", $"The {what} {path} cannot be used: {why}.", "Give the absolute path of a file on the node that everyone may read, or the name of an image (`gantry image list`).");
}
