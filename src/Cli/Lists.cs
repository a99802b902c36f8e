using System.Text.Json.Serialization.Metadata;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>Reads a list to its end, page by page. As JSON every page is printed as it came, each on a line of its own.</summary>
internal static class Lists
{
    public static System.CommandLine.Option<string> Filter(string example = "state eq running and name like 'web*'") =>
        Choose.Text("--filter", $"Only what this is true of: {example}.", "EXPRESSION");

    public static System.CommandLine.Option<long?> Limit() => Choose.Number("--limit", "At most this many. All when left out.", least: 1);

    public static async Task<int> ShowAsync<T>(
        Session session, string path, JsonTypeInfo<Page<T>> type, IEnumerable<(string Name, string? Value)> query, long? limit,
        Func<T, string> name, Action<IReadOnlyList<T>> table, CancellationToken ct)
    {
        var items = new List<T>();
        var given = query.Where(part => part.Value is not null).Select(part => $"&{part.Name}={Uri.EscapeDataString(part.Value!)}");
        string? cursor = null;
        do
        {
            var size = Math.Min(Limits.MaxPage, limit is { } most ? most - items.Count : Limits.MaxPage);
            var next = cursor is null ? "" : $"&cursor={Uri.EscapeDataString(cursor)}";
            var answer = await session.SendAsync(HttpMethod.Get, $"{path}?limit={size}{string.Concat(given)}{next}", null, ct);
            var page = Session.Read(answer, type);
            if (session.Format != OutputFormat.Table)
            {
                session.WriteDocument(answer);
            }

            items.AddRange(page.Items);
            cursor = page.NextCursor;
        }
        while (cursor is not null && (limit is null || items.Count < limit));

        if (session.Format != OutputFormat.Table)
        {
            return ExitCode.Done;
        }

        if (session.Quiet)
        {
            session.WriteNames(items.Select(name));
        }
        else
        {
            table(items);
        }

        return ExitCode.Done;
    }
}
