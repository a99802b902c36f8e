using Gantry.Contracts;

namespace Gantry.Daemon.Instances;

internal static class CloudInitErrors
{
    public static Refusal None(string instance) => Refusal.NotFound(
        "cloud_init.none", $"'{instance}' is told nothing by cloud-init.", $"`gantry cloud-init set {instance}` tells it something.");

    public static Refusal UnknownNic(string instance, string nic) => Refusal.Invalid(
        "cloud_init.unknown_nic", $"cloud-init is to give addresses to the NIC '{nic}', which '{instance}' does not have.", $"Name one of its NICs: `gantry nic list {instance}`.");
}
