using Gantry.Contracts;
using Gantry.Daemon.Platform;
namespace Gantry.Daemon.Operations
{
    internal sealed record BeginOptions
    {
        public static BeginOptions None { get; } = new();
        public bool MayWait { get; init; }
        public static BeginOptions Of(HttpContext http, object? request = null) => None;
        public BeginOptions For(string name) => this;
    }
    internal sealed class Operations
    {
        public Task<Operation> BeginAsync<TInput>(OperationType<TInput> type, TInput input, string target, string targetName, Caller caller, BeginOptions options, CancellationToken ct) => throw new NotSupportedException();
    }
    internal static class OperationResults { public static Task<IResult> AnswerAsync(this HttpContext http, Operation op) => throw new NotSupportedException(); 
    public static void MapOperations(this IEndpointRouteBuilder api) {} }
}
namespace Gantry.Daemon.Events { internal static class EventApi { public static void MapEvents(this IEndpointRouteBuilder api) {} } }
