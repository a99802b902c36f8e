using System.Text;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Networks;

internal static class PolicyApi
{
    public static void MapPolicies(this IEndpointRouteBuilder networks)
    {
        networks.MapGet("/{network}/policies", List).Produces<Page<Policy>>().Requires(Privilege.NetworkAudit);
        networks.MapPut("/{network}/policies/{policy}", Put).Produces<Operation>(202).Requires(Privilege.NetworkConfigure);
        networks.MapDelete("/{network}/policies/{policy}", Delete).Produces<Operation>(202).Requires(Privilege.NetworkConfigure);
        networks.MapPost("/{network}/policies/{policy}/rules", AddRule).Produces<Operation>(202).Requires(Privilege.NetworkConfigure);
        networks.MapPut("/{network}/policies/{policy}/rules/{number:int}", PutRule).Produces<Operation>(202).Requires(Privilege.NetworkConfigure);
        networks.MapDelete("/{network}/policies/{policy}/rules/{number:int}", DeleteRule).Produces<Operation>(202).Requires(Privilege.NetworkConfigure);
        networks.MapPost("/{network}/policies:import", Import).Accepts<string>("application/yaml").Produces<Operation>(202).Requires(Privilege.NetworkConfigure);
        networks.MapPost("/{network}/policies:explain", Explain).Produces<PolicyDecision>().Requires(Privilege.NetworkAudit);
        networks.MapGet("/{network}/counters", Counters).Produces<Page<PolicyCounter>>().Requires(Privilege.NetworkAudit);
    }

    private static async Task<IResult> List(string network, HttpContext http, NetworkStore store, CancellationToken ct) =>
        http.Answer(new Page<Policy>((await store.GetReadyAsync(network, ct)).Policies), WireJson.Default.PagePolicy);

    private static async Task<IResult> Put(
        string network, string policy, HttpContext http, Body<Policy> body, NetworkConfiguration configure, NetworkStore store, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(value => [.. PolicyRules.Faults(value), .. value.Name == policy ? [] : (Fault[])[new("$.name", $"the path names '{policy}'")]]);
        return await ReplaceAsync(network, [wanted], http, wanted, configure, store, operations, caller, ct);
    }

    private static Task<IResult> Delete(
        string network, string policy, HttpContext http, NetworkConfiguration configure, NetworkStore store, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var found = await NetworkApi.FindAsync(network, http, store, ct);
            var rest = found.Policies.Where(p => p.Name != policy).ToList();
            return rest.Count < found.Policies.Count
                ? await configure.BeginAsync(operations, found, new(Policies: rest), caller, options, ct)
                : throw PolicyErrors.Unknown(found.Name, policy);
        });

    /// <param name="before">The number of the rule that it comes before; the last without.</param>
    private static Task<IResult> AddRule(
        string network, string policy, int? before, HttpContext http, Body<PolicyRule> body, NetworkConfiguration configure, NetworkStore store, Operations.Operations operations,
        Caller caller, CancellationToken ct)
    {
        var rule = body.Checked(PolicyRules.Faults);
        return ChangeRuleAsync(network, policies => new(policy, before ?? LastOf(policies, policy), rule, Insert: true), http, rule, configure, store, operations, caller, ct);
    }

    private static Task<IResult> PutRule(
        string network, string policy, int number, HttpContext http, Body<PolicyRule> body, NetworkConfiguration configure, NetworkStore store, Operations.Operations operations,
        Caller caller, CancellationToken ct)
    {
        var rule = body.Checked(PolicyRules.Faults);
        return ChangeRuleAsync(network, _ => new(policy, number, rule), http, rule, configure, store, operations, caller, ct);
    }

    private static Task<IResult> DeleteRule(
        string network, string policy, int number, HttpContext http, NetworkConfiguration configure, NetworkStore store, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        ChangeRuleAsync(network, _ => new(policy, number), http, null, configure, store, operations, caller, ct);

    /// <summary>Kubernetes NetworkPolicy documents: each becomes the policy of its name; the others of the network stay.</summary>
    private static async Task<IResult> Import(
        string network, HttpContext http, NetworkConfiguration configure, NetworkStore store, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        using var reader = new StreamReader(http.Request.Body, Encoding.UTF8);
        var text = await reader.ReadToEndAsync(ct);
        return await ReplaceAsync(network, NetworkPolicyYaml.Read(text), http, text, configure, store, operations, caller, ct);
    }

    private static async Task<PolicyDecision> Explain(
        string network, Body<ExplainPolicy> body, NetworkStore store, AddressStore addresses, CancellationToken ct)
    {
        var wanted = body.Checked(PolicyRules.Faults);
        var found = await store.GetReadyAsync(network, ct);
        var spec = found.ToSpec(await addresses.OfAsync(found.Id, ct));
        return PolicyQuestions.Answer(spec, wanted);
    }

    private static async Task<IResult> Counters(string network, HttpContext http, NetworkStore store, LocalNode node, CancellationToken ct) =>
        http.Answer(new Page<PolicyCounter>(await node.Networks.CountersAsync((await store.GetReadyAsync(network, ct)).Id, ct)), WireJson.Default.PagePolicyCounter);

    private static Task<IResult> ReplaceAsync(
        string network, IReadOnlyList<Policy> policies, HttpContext http, object body, NetworkConfiguration configure, NetworkStore store, Operations.Operations operations,
        Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, body, async options =>
        {
            var found = await NetworkApi.FindAsync(network, http, store, ct);
            var names = policies.Select(p => p.Name).ToHashSet();
            IReadOnlyList<Policy> all = [.. found.Policies.Where(p => !names.Contains(p.Name)).Concat(policies).OrderBy(p => p.Name, StringComparer.Ordinal)];
            if (all.Count > Limits.Policies)
            {
                throw PolicyErrors.TooMany(found.Name);
            }

            return await configure.BeginAsync(operations, found, new(Policies: all), caller, options, ct);
        });

    private static Task<IResult> ChangeRuleAsync(
        string network, Func<IReadOnlyList<Policy>, PolicyRuleChange> wanted, HttpContext http, PolicyRule? body, NetworkConfiguration configure, NetworkStore store,
        Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, body, async options =>
        {
            var found = await NetworkApi.FindAsync(network, http, store, ct);
            var change = wanted(found.Policies);
            _ = change.AppliedTo(found.Policies, found.Name);
            return await configure.BeginAsync(operations, found, new(Rule: change), caller, options, ct);
        });

    private static int LastOf(IReadOnlyList<Policy> policies, string policy) => policies.FirstOrDefault(p => p.Name == policy)?.Rules.Count ?? 0;
}
