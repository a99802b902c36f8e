using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Operations;

internal static class OperationApi
{
    public static void MapOperations(this IEndpointRouteBuilder api)
    {
        api.MapGet("/operations", async (HttpContext http, Operations operations, string? state, string? target, int? limit, string? cursor, CancellationToken ct) =>
            http.Answer(await operations.ListAsync(StateOf(state), target, LimitOf(limit), cursor, ct), WireJson.Default.PageOperation))
            .Produces<Page<Operation>>().WithTags("Operations").Requires(Privilege.OperationAudit);

        api.MapGet("/operations/{id}", async (HttpContext http, Operations operations, Id<Operation> id, int? wait) =>
            TypedResults.Json(await operations.WaitAsync(http, id, OperationResults.WaitOf(wait)), WireJson.Default.Operation))
            .Produces<Operation>().WithTags("Operations").Requires(Privilege.OperationAudit);

        api.MapDelete("/operations/{id}", async (Operations operations, Id<Operation> id, CancellationToken ct) =>
            OperationResults.Of(await operations.CancelAsync(id, ct)))
            .Produces<Operation>(202).WithTags("Operations").Requires(Privilege.OperationCancel);

        api.MapGet("/operations/{id}/log", async (Operations operations, Id<Operation> id, CancellationToken ct) =>
            TypedResults.Json(await operations.LogAsync(id, ct), WireJson.Default.OperationLog))
            .Produces<OperationLog>().WithTags("Operations").Requires(Privilege.OperationAudit);
    }

    private static OperationState? StateOf(string? state) =>
        state is null ? null
        : state.All(char.IsAsciiLetter) && Enum.TryParse<OperationState>(state, ignoreCase: true, out var parsed) ? parsed
        : throw OperationErrors.UnknownState(state);

    private static int LimitOf(int? limit) =>
        limit is null ? Limits.DefaultPage : limit is >= 1 and <= Limits.MaxPage ? limit.Value : throw OperationErrors.LimitOutOfRange();
}
