using System.Collections.Frozen;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Drivers.Sim;

namespace Gantry.Node.Drivers;

/// <summary>Every driver, one line each. Adding a line makes the conformance suite demand a rig for it.</summary>
public static class Drivers
{
    public static readonly FrozenDictionary<string, Func<NodeContext, IDriver>> All =
        new Dictionary<string, Func<NodeContext, IDriver>>
        {
            ["qemu"] = node => new QemuDriver(node),
            ["sim"] = node => new SimDriver(node),
        }.ToFrozenDictionary();
}
