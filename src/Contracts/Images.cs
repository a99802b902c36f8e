namespace Gantry.Contracts;

/// <summary>What an instance is made from.</summary>
public sealed record Image
{
    public required Id<Image> Id { get; init; }
    public required string Name { get; init; }
    public required ImageState State { get; init; }

    /// <summary>What an instance of it becomes when nothing else is asked for.</summary>
    public required InstanceKind DefaultKind { get; init; }
    public string? Description { get; init; }
    public long SizeBytes { get; init; }

    /// <summary>SHA-256 of each file, by file name, in lower-case hexadecimal.</summary>
    public IReadOnlyDictionary<string, string> Sha256 { get; init; } = new Dictionary<string, string>();
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>Numbers are stored and never change (a golden test holds them).</summary>
public enum ImageState
{
    Creating = 1,
    Ready = 2,
}

/// <summary>The body of <c>POST /images:build</c>.</summary>
/// <param name="Recipe"><c>micro</c>: Debian's cloud kernel and a busybox initial RAM disk.</param>
/// <param name="Name">The recipe's own name when left out.</param>
public sealed record BuildImage(string Recipe, string? Name = null);
