using Gantry.Contracts;

namespace Gantry.Daemon.Instances;

internal static class CloudInitErrors
{
    public static Refusal None(string instance) => Refusal.NotFound(
        "cloud_init.none", $"'{instance}' is told nothing by cloud-init.", $"`gantry cloud-init set {instance}` tells it something.");

    public static Refusal UnknownNic(string instance, string nic) => Refusal.Invalid(
        "cloud_init.unknown_nic", $"cloud-init is to give addresses to the NIC '{nic}', which '{instance}' does not have.", $"Name one of its NICs: `gantry nic list {instance}`.");

    public static Refusal WrongState(string instance, InstanceState state) => Refusal.Conflict(
        "instance.wrong_state", $"'{instance}' is {state.ToString().ToLowerInvariant()}: its cloud-init cannot be changed now.",
        "Wait for its operation: `gantry operation list`; or see what is wrong with it: `gantry info`.");
}
