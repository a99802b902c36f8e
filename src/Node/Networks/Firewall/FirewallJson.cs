using System.Text.Json.Serialization;

namespace Gantry.Node.Networks.Firewall;

[JsonSerializable(typeof(NodeFirewall.State))]
internal sealed partial class FirewallJson : JsonSerializerContext;
