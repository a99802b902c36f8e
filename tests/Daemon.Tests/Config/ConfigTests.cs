using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Gantry.Node.Isolation;
using Microsoft.Extensions.Logging;

namespace Gantry.Daemon.Tests.Config;

public sealed class ConfigTests : IDisposable
{
    private readonly TestRoot _root = new();

    private GantryRoot Root => GantryRoot.At(_root.Path);

    public void Dispose() => _root.Dispose();

    [Fact]
    public void A_flag_beats_the_environment_that_the_file_and_that_the_default()
    {
        var file = Given("log: { level: debug }\nnode: { name: from-file }\nretention:\n  events: 2h\n");

        var loaded = ConfigLoader.Load(Root, file, ["log.level=error"], name => name == "GANTRY_NODE_NAME" ? "from-environment" : null);

        (loaded.Config.LogLevel, loaded.Config.NodeName, loaded.Config.RetentionEvents, loaded.Config.RetentionOperations)
            .ShouldBe((LogLevel.Error, "from-environment", TimeSpan.FromHours(2), TimeSpan.FromDays(30)));
        string Source(string name) => loaded.Settings.Items.Single(s => s.Name == name).Source;
        Source("log.level").ShouldBe("flag --set");
        Source("node.name").ShouldBe("environment GANTRY_NODE_NAME");
        Source("retention.events").ShouldBe($"file {file}:4");
        Source("retention.operations").ShouldBe("default");
    }

    [Fact]
    public void Every_fault_is_told_with_its_line()
    {
        var file = Given("log:\n  levle: debug\nhttps:\n  listen: nowhere\noperations: [1]\nretention:\n  events: forever\n");

        var refusal = Should.Throw<Refusal>(() => ConfigLoader.Load(Root, file, [], _ => null));

        refusal.Code.ShouldBe("config.invalid");
        refusal.Faults.Select(f => f.Path[(f.Path.LastIndexOf(':') + 1)..]).ShouldBe(["2", "4", "5", "7"]);
        refusal.Faults[0].Message.ShouldContain("did you mean 'log.level'?");
    }

    [Theory]
    [InlineData("instances.uids=1000-2000", "ids below 65536")]
    [InlineData("instances.uids=600000-700000", "the containers of systemd")]
    [InlineData("instances.uids=many", "give the first and the last id")]
    [InlineData("isolation.required=everything", "give namespaces, limits, apparmor")]
    [InlineData("isolation.required=0", "give namespaces, limits, apparmor")]
    [InlineData("isolation.required=", "give namespaces, limits, apparmor")]
    public void A_setting_of_isolation_that_cannot_be_is_refused_with_the_reason(string flag, string why) =>
        Should.Throw<Refusal>(() => ConfigLoader.Load(Root, null, [flag], _ => null)).Faults.Single().Message.ShouldContain(why);

    [Fact]
    public void Isolation_is_as_it_is_set()
    {
        ConfigLoader.Load(Root, null, [], _ => null).Config.Isolation.Required.ShouldBe([Measure.Namespaces]);
        ConfigLoader.Load(Root, null, ["isolation.required=none"], _ => null).Config.Isolation.Required.ShouldBeEmpty();
        var set = ConfigLoader.Load(Root, null, ["isolation.required=limits, apparmor", "instances.uids=1900000000-1900019999"], _ => null).Config.Isolation;
        set.Required.ShouldBe([Measure.Limits, Measure.AppArmor], ignoreOrder: true);
        set.Uids.ShouldBe(new(1_900_000_000, 1_900_019_999));
    }

    [Theory]
    [InlineData("a: [")]
    [InlineData("a: [1\nb: 2")]
    [InlineData("just words")]
    [InlineData("a: 1\na: 2")]
    public void A_file_that_is_not_settings_is_refused(string text) =>
        Should.Throw<Refusal>(() => ConfigLoader.Load(Root, Given(text), [], _ => null)).Code.ShouldBe("config.invalid");

    [Fact]
    public void A_file_that_was_named_must_be_there() =>
        Should.Throw<Refusal>(() => ConfigLoader.Load(Root, $"{_root.Path}/nope.yaml", [], _ => null)).Faults.Single().Path.ShouldEndWith("nope.yaml");

    [Fact]
    public void An_empty_file_or_none_means_the_defaults()
    {
        ConfigLoader.Load(Root, Given(""), [], _ => null).Config.DefaultDriver.ShouldBe("qemu");
        ConfigLoader.Load(Root, null, [], _ => null).Config.SocketGroup.ShouldBe("gantry");
    }

    [Fact]
    public void The_connection_string_is_never_shown()
    {
        var loaded = ConfigLoader.Load(Root, null, ["database.connection=Host=db;Password=hunter2"], _ => null);

        loaded.Settings.Items.ShouldNotContain(s => s.Value.ToString().Contains("hunter2"));
        Should.Throw<Refusal>(() => ConfigLoader.Load(Root, null, ["database.connection=", "log.level=x"], _ => null))
            .Faults.ShouldNotContain(f => f.Message.Contains("hunter2"));
    }

    private string Given(string text)
    {
        var path = $"{_root.Path}/gantry.yaml";
        File.WriteAllText(path, text);
        return path;
    }
}
