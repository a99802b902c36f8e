using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Networks;

/// <summary>Networks over the API, on a node that keeps them in files only.</summary>
public sealed class NetworkTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Fact]
    public async Task A_network_is_made_with_what_was_left_out_filled_in_and_shown_changed_and_deleted()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = "plain", Labels = new Dictionary<string, string> { ["tier"] = "front" } }, 60));

        var made = await daemon.Api.GetNetworkAsync("plain");
        (made.Kind, made.Domain, made.HostAccess, made.Defaults, made.Status).ShouldBe((NetworkKind.Nat, "plain.gantry", false, new PolicyDefaults(), new NetworkStatus(true)));
        made.Ipv4!.ShouldMatch(@"\A10\.\d+\.\d+\.1/24\z");
        made.Ipv6!.ShouldMatch(@"\Afd[0-9a-f]{2}:.*::1/64\z");
        (await daemon.Api.ListNetworksAsync("?filter=labels.tier eq front")).Items.Select(n => n.Name).ShouldContain("plain");

        await RunningDaemon.DoneAsync(daemon.Api.ChangeNetworkAsync("plain", """{"defaults": {"in": "deny"}, "labels": {"tier": null}}""", 60));
        var changed = await daemon.Api.GetNetworkAsync(made.Id.ToString());
        (changed.Defaults, changed.Labels.Count, changed.Ipv4, changed.Etag == made.Etag).ShouldBe((new PolicyDefaults(PolicyAction.Deny), 0, made.Ipv4, false));

        await RunningDaemon.DoneAsync(daemon.Api.DeleteNetworkAsync("plain", 60));
        (await RunningDaemon.RefusedAsync(() => daemon.Api.GetNetworkAsync("plain"))).Code.ShouldBe("network.unknown");
        daemon.Node.Networks.All().ShouldNotContain(n => n.Id == made.Id);
    }

    [Theory]
    [InlineData("10.99.1.9/24")]
    [InlineData("10.99.0.1/16")]
    [InlineData("10.99.1.129/25")]
    public async Task A_subnet_that_overlaps_with_anothers_is_refused_by_name(string subnet)
    {
        if (await IsNewAsync("taken"))
        {
            await RunningDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = "taken", Ipv4 = "10.99.1.254/24", Ipv6 = "none" }, 60));
        }

        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.CreateNetworkAsync(new() { Name = "overlapping", Ipv4 = subnet }, 60));

        refusal.Code.ShouldBe("network.subnet_overlaps");
        refusal.Message.ShouldContain("the network 'taken'");
        (await IsNewAsync("overlapping")).ShouldBeTrue();
    }

    [Theory]
    [InlineData("""{"name": "x", "ipv4": "10.1"}""", "$.ipv4")]
    [InlineData("""{"name": "x", "ipv4": "10.1.0.0/16"}""", "$.ipv4")]
    [InlineData("""{"name": "x", "ipv4": "10.1.0.1/31"}""", "$.ipv4")]
    [InlineData("""{"name": "x", "ipv4": "127.0.0.2/8"}""", "$.ipv4")]
    [InlineData("""{"name": "x", "ipv4": "fd00::1/64"}""", "$.ipv4")]
    [InlineData("""{"name": "x", "ipv6": "fe80::1/64"}""", "$.ipv6")]
    [InlineData("""{"name": "x", "ipv6": "fd00::1/48"}""", "$.ipv6")]
    [InlineData("""{"name": "x", "kind": "bridge"}""", "$.device")]
    [InlineData("""{"name": "x", "device": "br0"}""", "$.device")]
    [InlineData("""{"name": "x", "kind": "bridge", "device": "br0; reboot"}""", "$.device")]
    [InlineData("""{"name": "x", "kind": "vlan", "vlan": {"device": "eth0", "tag": 4095}}""", "$.vlan.tag")]
    [InlineData("""{"name": "x", "vxlan": {"id": 0, "local": "192.0.2.1", "peers": []}}""", "$.vxlan.id")]
    [InlineData("""{"name": "x", "vxlan": {"id": 1, "local": "192.0.2.1", "peers": ["fd00::1"]}}""", "$.vxlan.peers[0]")]
    [InlineData("""{"name": "x", "mtu": 100}""", "$.mtu")]
    [InlineData("""{"name": "x", "domain": "a..b"}""", "$.domain")]
    [InlineData("""{"name": "X"}""", "$.name")]
    [InlineData("""{"name": "x", "defaults": {"in": "maybe"}}""", "$.defaults.in")]
    public async Task What_cannot_be_a_network_is_refused_by_path(string body, string path)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/networks", body);

        status.ShouldBe(422);
        problem!.Errors!.Select(e => e.Path).ShouldContain(path);
    }

    [Fact]
    public async Task Kind_and_subnets_stay_and_an_old_reading_is_told()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = "fixed" }, 60));

        (await RunningDaemon.RefusedAsync(() => daemon.Api.ChangeNetworkAsync("fixed", """{"ipv4": "10.200.0.1/24"}""", 60))).Code.ShouldBe("network.fixed");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.ChangeNetworkAsync("fixed", """{"name": "other"}""", 60))).Code.ShouldBe("network.fixed");
        var read = (await daemon.Api.GetNetworkAsync("fixed")).Etag;
        await RunningDaemon.DoneAsync(daemon.Api.ChangeNetworkAsync("fixed", """{"description": "somebody else's"}""", 60));
        (await daemon.SendAsync(HttpMethod.Patch, "/networks/fixed", """{"description": "mine"}""", ("If-Match", read))).Problem!.Code.ShouldBe("network.changed");
        (await daemon.SendAsync(HttpMethod.Delete, $"/networks/fixed/forwards/{Guid.CreateVersion7()}")).Problem!.Code.ShouldBe("forward.unknown");
    }

    [Fact]
    public async Task A_policy_is_put_in_force_replaced_listed_and_taken_away()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = "ruled" }, 60));
        var policy = new Policy { Name = "web-in", Isolates = [PolicyDirection.In], Rules = [new() { Direction = PolicyDirection.In, Action = PolicyAction.Allow, Ports = [new(PolicyProtocol.Tcp, "80")] }] };
        await RunningDaemon.DoneAsync(daemon.Api.PutPolicyAsync("ruled", policy, 60));
        await RunningDaemon.DoneAsync(daemon.Api.PutPolicyAsync("ruled", policy with { Priority = 5 }, 60));

        (await daemon.Api.ListPoliciesAsync("ruled")).Items.Select(p => (p.Name, p.Priority, p.Rules.Count)).ShouldBe([("web-in", 5, 1)]);
        daemon.Node.Networks.All().Single(n => n.Name == "ruled").Policies.Single().Priority.ShouldBe(5);

        await RunningDaemon.DoneAsync(daemon.Api.DeletePolicyAsync("ruled", "web-in", 60));
        (await daemon.Api.ListPoliciesAsync("ruled")).Items.ShouldBeEmpty();
        (await RunningDaemon.RefusedAsync(() => daemon.Api.DeletePolicyAsync("ruled", "web-in", 60))).Code.ShouldBe("policy.unknown");
    }

    [Fact]
    public async Task One_rule_of_a_policy_is_added_replaced_and_taken_away_and_the_others_stay()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = "numbered" }, 60));
        await RunningDaemon.DoneAsync(daemon.Api.PutPolicyAsync("numbered", new() { Name = "other", Rules = [Of("1")] }, 60));
        await RunningDaemon.DoneAsync(daemon.Api.PutPolicyAsync("numbered", new() { Name = "web-in", Rules = [Of("80"), Of("81")] }, 60));
        async Task<string> PortsAsync() => string.Join(' ', (await daemon.Api.ListPoliciesAsync("numbered")).Items.Select(p => $"{p.Name}:{string.Join(',', p.Rules.Select(r => r.Ports![0].Ports))}"));

        await RunningDaemon.DoneAsync(daemon.Api.AddPolicyRuleAsync("numbered", "web-in", Of("82"), null, 60));
        await RunningDaemon.DoneAsync(daemon.Api.AddPolicyRuleAsync("numbered", "web-in", Of("79"), 0, 60));
        (await PortsAsync()).ShouldBe("other:1 web-in:79,80,81,82");
        await RunningDaemon.DoneAsync(daemon.Api.PutPolicyRuleAsync("numbered", "web-in", 1, Of("8080"), 60));
        await RunningDaemon.DoneAsync(daemon.Api.DeletePolicyRuleAsync("numbered", "web-in", 2, 60));
        (await PortsAsync()).ShouldBe("other:1 web-in:79,8080,82");
        daemon.Node.Networks.All().Single(n => n.Name == "numbered").Policies.Single(p => p.Name == "web-in").Rules.Select(r => r.Ports![0].Ports).ShouldBe(["79", "8080", "82"], "the node was told");

        (await RunningDaemon.RefusedAsync(() => daemon.Api.PutPolicyRuleAsync("numbered", "web-in", 3, Of("1"), 60))).Message.ShouldContain("they are 0 to 2");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.AddPolicyRuleAsync("numbered", "web-in", Of("1"), 4, 60))).Code.ShouldBe("policy.no_such_rule");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.DeletePolicyRuleAsync("numbered", "none", 0, 60))).Code.ShouldBe("policy.unknown");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.PutPolicyRuleAsync("numbered", "web-in", 0, Of("http"), 60))).Faults!.Single().Path.ShouldBe("$.ports[0].ports");
        await RunningDaemon.DoneAsync(daemon.Api.PutPolicyAsync("numbered", new() { Name = "full", Rules = [.. Enumerable.Repeat(Of("1"), Limits.PolicyRules)] }, 60));
        (await RunningDaemon.RefusedAsync(() => daemon.Api.AddPolicyRuleAsync("numbered", "full", Of("1"), null, 60))).Code.ShouldBe("policy.too_many_rules");
        (await PortsAsync()).ShouldEndWith("other:1 web-in:79,8080,82");

        static PolicyRule Of(string port) => new() { Direction = PolicyDirection.In, Action = PolicyAction.Allow, Ports = [new(PolicyProtocol.Tcp, port)] };
    }

    [Fact]
    public async Task Policies_of_Kubernetes_replace_those_of_their_names_and_each_rule_has_a_counter()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = "imported" }, 60));
        await RunningDaemon.DoneAsync(daemon.Api.PutPolicyAsync("imported", new() { Name = "kept" }, 60));
        const string yaml = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: web}
            spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: PORT}]}]}
            """;

        await RunningDaemon.DoneAsync(daemon.Api.ImportPoliciesAsync("imported", yaml.Replace("PORT", "80", StringComparison.Ordinal), 60));
        await RunningDaemon.DoneAsync(daemon.Api.ImportPoliciesAsync("imported", yaml.Replace("PORT", "81", StringComparison.Ordinal), 60));

        (await daemon.Api.ListPoliciesAsync("imported")).Items.Select(p => (p.Name, string.Join(" ", p.Rules.Select(r => r.Ports![0].Ports)))).ShouldBe([("kept", ""), ("web", "81")]);
        (await daemon.SendAsync(HttpMethod.Get, "/networks/imported/counters")).Status.ShouldBe(200);
        (await RunningDaemon.RefusedAsync(() => daemon.Api.ImportPoliciesAsync("imported", yaml.Replace("PORT", "often", StringComparison.Ordinal), 60))).Code.ShouldBe("policy.yaml_invalid");
    }

    [Fact]
    public async Task What_there_can_be_no_more_of_or_not_at_all_is_refused()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = "closed", Kind = NetworkKind.Isolated }, 60));
        var forward = new CreateForward { Protocol = TransportProtocol.Tcp, HostPorts = "41000", Instance = "nobody" };
        var many = string.Join("\n---\n", Enumerable.Range(0, Limits.Policies).Select(i =>
            $"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: p{i}\nspec:\n  podSelector: {{}}"));

        await RunningDaemon.DoneAsync(daemon.Api.PutPolicyAsync("closed", new() { Name = "first" }, 60));

        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateNetworkAsync(new() { Name = "closed" }, 60))).Code.ShouldBe("network.name_taken");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateForwardAsync("closed", forward, 60))).Code.ShouldBe("forward.not_possible");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.ImportPoliciesAsync("closed", many, 60))).Code.ShouldBe("policy.too_many");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.ExplainAsync("closed", new("nobody", "10.0.0.1", Port: 80)))).Code.ShouldBe("policy.no_such_end");
        (await daemon.Api.ListPoliciesAsync("closed")).Items.Select(p => p.Name).ShouldBe(["first"]);
    }

    private async Task<bool> IsNewAsync(string name) => (await daemon.Api.ListNetworksAsync()).Items.All(n => n.Name != name);
}
