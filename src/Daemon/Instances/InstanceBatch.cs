using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Instances;

/// <summary>One action for many instances: each begins on its own, and each has a result of its own.</summary>
internal static class InstanceBatch
{
    private const double LongestShutdownSeconds = 3600;

    public static async Task<BatchResults> RunAsync(
        HttpContext http, Body<BatchInstances> body, InstanceStore store, InstanceActor actor, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(Faults);
        var names = wanted.Names ?? await NamesAsync(wanted.Filter!, store, ct);
        var results = new List<BatchResult>();
        foreach (var name in names.Distinct())
        {
            results.Add(await OneAsync(name));
        }

        return new(results);

        async Task<BatchResult> OneAsync(string name)
        {
            try
            {
                var options = OperationResults.BeginOptionsOf(http.Request, wanted).For(name);
                if (await operations.ReplayAsync(caller, options, ct) is { } before)
                {
                    return new(before.TargetName, before, null);
                }

                var found = await store.GetAsync(name, ct);
                return new(found.Name, await actor.BeginAsync(found, wanted.Action, caller, options, ct, wanted.Force, wanted.TimeoutSeconds), null);
            }
            catch (Refusal refusal)
            {
                return new(name, null, Problem.From(refusal, RequestIds.Of(http)));
            }
        }
    }

    public static IEnumerable<Fault> TimeoutFaults(ShutdownInstance body)
    {
        if (body.TimeoutSeconds is { } seconds && !(seconds is >= 1 and <= LongestShutdownSeconds))
        {
            yield return new("$.timeoutSeconds", $"{seconds} is not from 1 to {LongestShutdownSeconds}");
        }
    }

    private static async Task<IReadOnlyList<string>> NamesAsync(string filter, InstanceStore store, CancellationToken ct)
    {
        var page = await store.ListAsync(new Paging(Limits.MaxBatch, null, filter), ct);
        return page.NextCursor is null
            ? [.. page.Items.Select(i => i.Name)]
            : throw Refusal.Invalid("instance.batch_too_large", $"The filter finds more than {Limits.MaxBatch} instances.", "Narrow it, and send several batches.");
    }

    private static IEnumerable<Fault> Faults(BatchInstances body)
    {
        if ((body.Names is null) == (body.Filter is null))
        {
            yield return new("$", "give either names or a filter; the filter '*' means all");
        }

        if (body.Names?.Count > Limits.MaxBatch)
        {
            yield return new("$.names", $"{body.Names.Count} are more than {Limits.MaxBatch}");
        }

        if (body.Action is InstanceAction.Rename or InstanceAction.Resize)
        {
            yield return new("$.action", $"{body.Action.ToString().ToLowerInvariant()} needs a value for each instance; use its own route");
        }

        foreach (var fault in TimeoutFaults(new(body.TimeoutSeconds)))
        {
            yield return fault;
        }
    }
}
