using System.Net;
using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>One that somebody begins, or would like to.</summary>
/// <param name="Port">Of the destination. Null for ICMP.</param>
public sealed record Connection(IPAddress Source, IPAddress Destination, PolicyProtocol Protocol, int? Port = null);
