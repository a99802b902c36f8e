using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Node.Instances;

/// <summary>An instance's cloud-init as the node keeps it.</summary>
/// <param name="Settings">With hashes of passwords, never one in clear.</param>
/// <param name="Number">Goes up when the settings are set again, so that cloud-init acts again; from 1.</param>
public sealed record CloudInitSpec(CloudInit Settings, int Number)
{
    /// <summary>What cloud-init tells first starts apart by.</summary>
    public static string InstanceIdOf(Id<Instance> id, int number) => string.Create(CultureInfo.InvariantCulture, $"{id}-{number}");

    /// <inheritdoc cref="InstanceIdOf(Id{Instance}, int)"/>
    public string InstanceIdOf(Id<Instance> id) => InstanceIdOf(id, Number);
}
