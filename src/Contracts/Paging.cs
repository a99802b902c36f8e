namespace Gantry.Contracts;

/// <summary>Some of a list; <paramref name="NextCursor"/> asks for what follows and is null at the end.</summary>
public sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor = null);
