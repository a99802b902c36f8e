using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Gantry.Contracts;
using Gantry.Daemon.Instances;

namespace Gantry.Daemon.Tests.Templates;

/// <summary>Settings laid over each other: for any layers, and by example.</summary>
public sealed class SettingsLayersTests
{
    private static readonly Gen<string?> Word = Gen.Elements<string?>(null, "a", "b", "c");

    private static readonly Gen<Volume> AVolume =
        from name in Gen.Elements("root", "data", "disc")
        from size in Gen.Elements<long?>(null, 1 << 20, 2 << 20)
        from bus in Gen.Elements<VolumeBus?>(null, VolumeBus.Sata, VolumeBus.Virtio)
        from content in Gen.Choose(0, 3)
        from limit in Gen.Elements<long?>(null, 7)
        select new Volume
        {
            Name = name,
            SizeBytes = size,
            Bus = bus,
            Image = content == 1 ? "img" : null,
            Path = content == 2 ? "/iso" : null,
            Generated = content == 3 ? GeneratedDisc.WindowsAnswers : null,
            Limits = limit is null ? null : new() { ReadBytesPerSecond = limit },
        };

    private static readonly Gen<InstanceSettings> Settings =
        from cpus in Gen.Elements<int?>(null, 1, 2)
        from driver in Word
        from key in Word
        from value in Gen.Elements("1", "2")
        from labelled in Gen.Choose(0, 2)
        from volumes in Gen.ListOf(AVolume).Select(l => l.DistinctBy(v => v.Name).ToList())
        from hasVolumes in Gen.Choose(0, 1)
        from order in Gen.SubListOf("root", "data", "disc")
        from boot in Gen.Choose(0, 2)
        from model in Word
        from tpm in Gen.Elements<bool?>(null, true, false)
        select new InstanceSettings
        {
            Cpus = cpus,
            Driver = driver,
            Labels = labelled == 0 ? null : key is null ? new Dictionary<string, string>() : new Dictionary<string, string> { [key] = value },
            Volumes = hasVolumes == 0 ? null : volumes,
            Boot = boot switch { 0 => null, 1 => new() { Firmware = Firmware.Uefi }, _ => new() { Order = [.. order] } },
            Cpu = model is null ? null : new() { Model = model },
            Security = tpm is null ? null : new() { Tpm = tpm },
        };

    private static readonly Arbitrary<IReadOnlyList<SettingsLayer>> Layers = Gen.ListOf(Settings)
        .Select(list => (IReadOnlyList<SettingsLayer>)[.. list.Take(5).Select((s, i) => new SettingsLayer($"layer{i}", s))]).ToArbitrary();

    [Fact]
    public void What_came_out_comes_out_again() => Hold(layers =>
    {
        var once = SettingsLayers.Resolve(layers).Settings;
        return Json(SettingsLayers.Resolve([new("again", once)]).Settings) == Json(once)
            && Json(SettingsLayers.Resolve([new("again", once), .. layers]).Settings) == Json(once);
    });

    [Fact]
    public void Every_value_has_an_origin_and_every_origin_its_value() => Hold(layers =>
    {
        var (settings, origins) = SettingsLayers.Resolve(layers);
        return Leaves(Node(settings)).Select(l => l.Path).Order().SequenceEqual(origins.Keys.Order()) && origins.Values.All(o => layers.Any(l => l.Name == o));
    });

    [Fact]
    public void A_value_is_that_of_the_strongest_layer_that_has_one() => Hold(layers =>
    {
        var (settings, origins) = SettingsLayers.Resolve(layers);
        return Leaves(Node(settings)).Where(leaf => !leaf.IsEmpty).All(leaf =>
        {
            var said = layers.Select(layer => (layer.Name, Leaf: Leaves(Node(layer.Settings)).FirstOrDefault(own => own.Place == leaf.Place && !own.IsEmpty))).Where(s => s.Leaf is not null).ToList();
            return said.Count > 0 && said[0].Name == origins[leaf.Path] && said[0].Leaf!.Value == leaf.Value;
        });
    });

    [Fact]
    public void What_the_strongest_layer_says_holds_and_nothing_else_is_invented() => Hold(layers =>
    {
        var merged = Leaves(Node(SettingsLayers.Resolve(layers).Settings)).Where(l => !l.IsEmpty).ToDictionary(l => l.Place, l => l.Value);
        return layers.Count == 0 || (Leaves(Node(layers[0].Settings)).Where(l => !l.IsEmpty).All(own => merged[own.Place] == own.Value)
            && merged.Keys.All(place => layers.Any(layer => Leaves(Node(layer.Settings)).Any(l => l.Place == place))));
    });

    [Fact]
    public void Three_layers_are_as_two_of_which_one_is_two() => Hold(layers =>
    {
        if (layers.Count < 3)
        {
            return true;
        }

        var below = new SettingsLayer("below", SettingsLayers.Resolve([.. layers.Skip(1)]).Settings);
        return Json(SettingsLayers.Resolve(layers).Settings) == Json(SettingsLayers.Resolve([layers[0], below]).Settings);
    });

    [Fact]
    public void Volumes_meet_by_name_and_a_new_content_takes_the_old_away()
    {
        var (settings, origins) = SettingsLayers.Resolve(
        [
            new("request", new() { Volumes = [new() { Name = "new" }, new() { Name = "answers", Path = "/own.iso" }] }),
            new("template web", new() { Volumes = [new() { Name = "root", SizeBytes = 1 << 20 }, new() { Name = "answers", Device = VolumeDevice.Cdrom, Generated = GeneratedDisc.WindowsAnswers }] }),
        ]);

        settings.Volumes.ShouldBe([new() { Name = "root", SizeBytes = 1 << 20 }, new() { Name = "answers", Device = VolumeDevice.Cdrom, Path = "/own.iso" }, new() { Name = "new" }]);
        origins["$.volumes[1].path"].ShouldBe("request");
        origins["$.volumes[1].device"].ShouldBe("template web");
        origins["$.volumes[0].sizeBytes"].ShouldBe("template web");
    }

    [Fact]
    public void A_name_given_twice_stays_twice()
    {
        var volumes = SettingsLayers.Resolve([new("request", new() { Volumes = [new() { Name = "a" }, new() { Name = "a" }] }), new("x", new() { Volumes = [new() { Name = "a", SizeBytes = 1 }] })]).Settings.Volumes;

        volumes!.Select(v => v.Name).ShouldBe(["a", "a"]);
    }

    private static void Hold(Func<IReadOnlyList<SettingsLayer>, bool> holds) => Prop.ForAll(Layers, holds).Check(FsCheck.Config.QuickThrowOnFailure.WithMaxTest(300));

    private sealed record Leaf(string Path, string Place, string Value, bool IsEmpty);

    /// <summary>Every value, with its JSON path and with its place by the names of items.</summary>
    private static IEnumerable<Leaf> Leaves(JsonNode? node, string path = "$", string place = "$") => node switch
    {
        JsonObject { Count: > 0 } fields => fields.SelectMany(f => Leaves(f.Value, $"{path}.{f.Key}", $"{place}.{f.Key}")),
        JsonArray { Count: > 0 } list when list.All(i => i is JsonObject) => list.SelectMany((item, i) => Leaves(item, $"{path}[{i}]", $"{place}[{item!["name"]}]")),
        JsonObject when path == "$" => [],
        _ => [new(path, place, node!.ToJsonString(), node is JsonObject { Count: 0 } or JsonArray { Count: 0 })],
    };

    private static JsonNode Node(InstanceSettings settings) => JsonSerializer.SerializeToNode(settings, WireJson.Default.InstanceSettings)!;

    /// <summary>The order of fields does not matter.</summary>
    private static string Json(InstanceSettings settings) => string.Join('\n', Leaves(Node(settings)).Select(l => $"{l.Path} {l.Value}").Order(StringComparer.Ordinal));
}
