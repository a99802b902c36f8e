using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary>What the labels of a thing must keep to.</summary>
internal static class LabelRules
{
    public static IEnumerable<Fault> Faults(IReadOnlyDictionary<string, string>? labels)
    {
        if (labels is null)
        {
            yield break;
        }

        if (labels.Count > Limits.Labels)
        {
            yield return new("$.labels", $"{labels.Count} are more than {Limits.Labels}");
        }

        foreach (var (key, value) in labels)
        {
            if (key.Length is < 1 or > Limits.LabelKeyLength || !key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/'))
            {
                yield return new("$.labels", $"a key has 1 to {Limits.LabelKeyLength} of A-Z, a-z, 0-9, '-', '_', '.' and '/'");
            }

            foreach (var fault in TextRules.Text($"$.labels.{key}", value, Limits.LabelValueLength))
            {
                yield return fault;
            }
        }
    }
}
