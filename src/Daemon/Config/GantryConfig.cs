using Gantry.Node.Isolation;

namespace Gantry.Daemon.Config;

/// <summary>The settings of one daemon. Where each value came from is in <see cref="ConfigLoader.Loaded"/>.</summary>
internal sealed record GantryConfig
{
    /// <summary><c>HOST:PORT</c>, or <c>off</c>. Port 0 takes a free one.</summary>
    public required string HttpsListen { get; init; }

    /// <summary>The group of this host whose members are local administrators.</summary>
    public required string SocketGroup { get; init; }

    /// <summary>A shared PostgreSQL server; null for the daemon's own.</summary>
    public required string? DatabaseConnection { get; init; }

    /// <summary>The name of this node.</summary>
    public required string NodeName { get; init; }

    /// <summary>The driver of instances that name none.</summary>
    public required string DefaultDriver { get; init; }

    /// <summary>What sets networks up on the node: <c>linux</c>, or <c>sim</c> that leaves the host alone.</summary>
    public required string NetworkDriver { get; init; }

    /// <summary>The network of NICs that name none, made at the node's first start; null for none.</summary>
    public required string? DefaultNetwork { get; init; }

    /// <summary>What keeps guests to themselves.</summary>
    public required IsolationOptions Isolation { get; init; }

    /// <summary>The largest file taken in as an image, and the largest disk it may be to its guest.</summary>
    public required long ImagesMaxSize { get; init; }

    /// <summary>Whether images may be fetched from link-local addresses.</summary>
    public required bool ImagesLinkLocal { get; init; }

    public required int OperationsConcurrency { get; init; }

    public required TimeSpan RetentionOperations { get; init; }

    public required TimeSpan RetentionEvents { get; init; }

    /// <summary>How much of each instance's serial output is kept, in bytes.</summary>
    public required long ConsoleLogSize { get; init; }

    /// <summary>A console without a byte for so long is closed; null for never.</summary>
    public required TimeSpan? ConsoleIdle { get; init; }

    public required LogLevel LogLevel { get; init; }
}
