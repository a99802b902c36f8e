namespace Gantry.Node.Networks;

/// <summary>The ways to set networks up: one line each.</summary>
public static class NodeNetworks
{
    /// <param name="driver">As the setting <c>networks.driver</c> names it.</param>
    public static INodeNetworks Of(string driver, NodeContext node) => driver switch
    {
        "linux" => new LinuxNetworks(node),
        "sim" => new SimNetworks(node),
        _ => throw new ArgumentException($"There is no networks.driver '{driver}'.", nameof(driver)),
    };
}
