namespace Gantry.Contracts;

/// <summary>Settings under a name, for instances to be made with.</summary>
public sealed record Template
{
    public required Id<Template> Id { get; init; }
    public required string Name { get; init; }
    public string? Description { get; init; }

    /// <summary>Part of Gantry: it is neither changed nor deleted, but can be copied.</summary>
    public required bool BuiltIn { get; init; }

    /// <summary>The built-in template it stands on; what it does not say itself comes from there. Null for none.</summary>
    public string? Base { get; init; }

    /// <summary>What it and its base say together.</summary>
    public required InstanceSettings Settings { get; init; }

    /// <summary>For each value's JSON path in <see cref="Settings"/>: <c>template NAME</c> or <c>built-in NAME</c>.</summary>
    public required IReadOnlyDictionary<string, string> Origins { get; init; }

    /// <summary>What no instance of it may stay under. Null for nothing beyond the usual limits.</summary>
    public LeastSize? Least { get; init; }

    /// <summary>Null for a built-in one.</summary>
    public DateTimeOffset? CreatedAt { get; init; }
    public DateTimeOffset? UpdatedAt { get; init; }
    public required string Etag { get; init; }
}

public sealed record LeastSize(int Cpus, long MemoryBytes);

/// <summary>The body of <c>POST /templates</c>.</summary>
public sealed record CreateTemplate
{
    public required string Name { get; init; }
    public string? Description { get; init; }

    /// <summary>What it begins as. Default: nothing but <see cref="Settings"/>.</summary>
    public TemplateSource? From { get; init; }

    /// <summary>Over what <see cref="From"/> says.</summary>
    public InstanceSettings? Settings { get; init; }
}

/// <summary>One of both. Of an instance all is taken but what is its own: MAC addresses and what Gantry made for it.</summary>
public sealed record TemplateSource(string? Template = null, string? Instance = null);

/// <summary>What <c>PATCH /templates/{template}</c> changes, as a JSON merge patch (RFC 7396): a null takes the value away, so that the base's shows again; a list is replaced whole.</summary>
public sealed record ChangeTemplate
{
    public required string Name { get; init; }
    public string? Description { get; init; }
    public InstanceSettings? Settings { get; init; }
}
