using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Clones;

/// <summary>What a request for a clone must keep to by itself and beside what it is cloned of.</summary>
internal static class CloneRules
{
    public static IEnumerable<Fault> Faults(CloneInstance wanted) =>
        [.. TextRules.Name("$.name", wanted.Name), .. TextRules.Description(wanted.Description), .. LabelRules.Faults(wanted.Labels)];

    /// <param name="disks">Names of those that are cloned.</param>
    public static IEnumerable<Fault> Faults(CloneInstance wanted, IReadOnlyList<Nic> nics, IReadOnlyCollection<string> disks)
    {
        foreach (var (number, nic) in (wanted.Nics ?? []).Index())
        {
            if (nics.All(n => n.Name != nic.Name))
            {
                yield return new($"$.nics[{number}].name", "what is cloned has no such NIC");
            }
            else if (wanted.Nics!.Take(number).Any(n => n.Name == nic.Name))
            {
                yield return new($"$.nics[{number}].name", "it is there twice");
            }
        }

        foreach (var volume in (wanted.Pools ?? new Dictionary<string, string>()).Keys.Where(v => !disks.Contains(v)))
        {
            yield return new("$.pools", $"what is cloned has no disk '{(Limits.IsName(volume) ? volume : "so named")}'");
        }
    }
}
