using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Daemon.Instances;

/// <summary>What is wrong with settings in layers: found in what they say together, told where it stands.</summary>
internal static partial class SettingsFaults
{
    /// <param name="asked">What the caller sent, the strongest of the layers.</param>
    public static IEnumerable<Fault> Of(InstanceSettings asked, IReadOnlyList<SettingsLayer> layers, HostFacts host)
    {
        if (MachineRules.TooMany(asked).ToList() is { Count: > 0 } tooMany)
        {
            return tooMany;
        }

        var layered = SettingsLayers.Resolve(layers);
        return InstanceRules.Faults(layered.Settings, host).Concat(TooSmall(layered.Settings, layers)).Select(fault => AsAsked(fault, asked, layered, layers[0].Name));
    }

    private static IEnumerable<Fault> TooSmall(InstanceSettings settings, IReadOnlyList<SettingsLayer> layers)
    {
        foreach (var layer in layers.Where(l => l.Least is not null))
        {
            if (settings.Cpus < layer.Least!.Cpus)
            {
                yield return new("$.cpus", $"{settings.Cpus} is less than {layer.Name} needs ({layer.Least.Cpus})");
            }

            if (settings.MemoryBytes < layer.Least.MemoryBytes)
            {
                yield return new("$.memoryBytes", $"{settings.MemoryBytes} is less than {layer.Name} needs ({layer.Least.MemoryBytes / Limits.MiB} MiB)");
            }
        }
    }

    /// <summary>At the caller's own place, where it is theirs; else with the name of who said it.</summary>
    private static Fault AsAsked(Fault fault, InstanceSettings asked, LayeredSettings layered, string own)
    {
        var said = layered.Origins.Where(o => IsAtOrBelow(o.Key, fault.Path)).Select(o => o.Value).Distinct().ToList();
        var message = said.Count == 0 || said.Contains(own) ? fault.Message : $"{fault.Message} (from {said[0]})";
        return new(Item().Match(fault.Path) is { Success: true } match ? Placed(match, asked, layered.Settings) : fault.Path, message);
    }

    private static bool IsAtOrBelow(string path, string place) =>
        path.StartsWith(place, StringComparison.Ordinal) && (path.Length == place.Length || path[place.Length] is '.' or '[');

    private static string Placed(Match match, InstanceSettings asked, InstanceSettings merged)
    {
        var number = int.Parse(match.Groups["number"].ValueSpan, CultureInfo.InvariantCulture);
        var list = match.Groups["list"].Value;
        var at = list == "volumes" ? Place(asked.Volumes, merged.Volumes!, number, v => v.Name) : Place(asked.Nics, merged.Nics!, number, n => n.Name);
        return string.Create(CultureInfo.InvariantCulture, $"$.{list}[{at ?? number}]{match.Groups["rest"].Value}");
    }

    /// <summary>Where in the caller's list the item is that stands at <paramref name="number"/> in the merged one; of a name given twice the same one of both.</summary>
    private static int? Place<T>(IReadOnlyList<T>? asked, IReadOnlyList<T> merged, int number, Func<T, string> name)
    {
        var before = merged.Take(number).Count(item => name(item) == name(merged[number]));
        return (asked ?? []).Index().Where(own => name(own.Item) == name(merged[number])).Skip(before).Select(own => (int?)own.Index).FirstOrDefault();
    }

    [GeneratedRegex(@"\A\$\.(?<list>volumes|nics)\[(?<number>[0-9]+)\](?<rest>.*)\z", RegexOptions.ExplicitCapture)]
    private static partial Regex Item();
}
