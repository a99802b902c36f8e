using System.CommandLine;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry query</c>: any call of the API.</summary>
internal static class Query
{
    private static readonly string[] Methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];

    public static Command Build(App app)
    {
        var method = new Argument<string>("METHOD") { Description = "GET, POST, PUT, PATCH or DELETE." };
        method.CompletionSources.Add(_ => Methods.Select(word => new System.CommandLine.Completions.CompletionItem(word)));
        var path = new Argument<string>("PATH") { Description = $"Below {ApiClient.Base}: /instances?limit=2." };
        var body = new Argument<string?>("BODY") { Description = "JSON; - reads it from standard input.", Arity = ArgumentArity.ZeroOrOne };
        return new Verb("query", "Make any call of the API and print its answer as it comes.",
            "gantry query GET /instances", "gantry query POST /instances/web1/start", "gantry query POST /instances - < web1.json")
            .With(method, path, body).Runs(app, async (parsed, session, ct) =>
            {
                var word = parsed.GetValue(method)!.ToUpperInvariant();
                if (!Methods.Contains(word))
                {
                    throw new WrongUseException($"'{parsed.GetValue(method)}' is no method of the API.", $"Accepted is {Words.Join(Methods)}.");
                }

                var answer = await session.SendAsync(new HttpMethod(word), PathOf(parsed.GetValue(path)!), await BodyAsync(session, parsed.GetValue(body), ct), ct);
                if (session.Format == OutputFormat.Yaml && answer.Length > 0)
                {
                    session.WriteDocument(answer);
                }
                else
                {
                    session.Terminal.WriteRaw(answer);
                    if (session.Terminal.OutIsTerminal && answer.Length > 0)
                    {
                        session.Out.WriteLine();
                    }
                }

                return ExitCode.Done;
            });
    }

    private static string PathOf(string path)
    {
        path = path.StartsWith('/') ? path : "/" + path;
        return path.StartsWith(ApiClient.Base + "/", StringComparison.Ordinal) ? path[ApiClient.Base.Length..] : path;
    }

    private static async Task<HttpContent?> BodyAsync(Session session, string? given, CancellationToken ct)
    {
        if (given is null)
        {
            return null;
        }

        if (given != "-")
        {
            return new StringContent(given, Encoding.UTF8, "application/json");
        }

        using var bytes = new MemoryStream();
        await session.Terminal.In.CopyToAsync(bytes, ct);
        var content = new ByteArrayContent(bytes.ToArray());
        content.Headers.ContentType = new("application/json");
        return content;
    }
}
