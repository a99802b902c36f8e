namespace Gantry.Node.Isolation;

/// <summary>Whether one measure holds on this host, found by trying it.</summary>
/// <param name="Required">No guest is started here without it.</param>
/// <param name="Hint">What would make it hold; null when it does.</param>
public sealed record IsolationFinding(string Measure, bool Holds, bool Required, string Finding, string? Hint = null);
