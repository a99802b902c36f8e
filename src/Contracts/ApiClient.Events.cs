using System.Net.Http.Headers;
using System.Runtime.CompilerServices;

namespace Gantry.Contracts;

/// <summary>The event stream.</summary>
public sealed partial class ApiClient
{
    /// <summary>The daemon says something at least every 30 s; three times that in silence is a dead connection.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(90);

    /// <summary>
    /// Events as they come, each the JSON of an <see cref="Event"/> or an <see cref="EventGap"/>. Ends when the daemon ends the stream;
    /// a connection that breaks or falls silent is the refusal <c>daemon.unreachable</c>, after which one resumes with the last number seen.
    /// </summary>
    /// <param name="since">Only events after this number; null for what happens from now on.</param>
    /// <param name="topics">Words joined by commas; null for all.</param>
    /// <param name="connected">Called once the daemon has taken the call, before the first event.</param>
    public async IAsyncEnumerable<string> StreamEventsAsync(
        long? since = null, string? topics = null, Action? connected = null, [EnumeratorCancellation] CancellationToken ct = default)
    {
        string?[] query = [since is { } n ? $"since={n}" : null, topics is null ? null : $"topics={Escape(topics)}"];
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{Base}/events?{string.Join('&', query.Where(part => part is not null))}");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        using var response = await Reach(() => http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct));
        if (!response.IsSuccessStatusCode)
        {
            throw await RefusalOf(response, ct);
        }

        connected?.Invoke();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(ct));
        var (kind, data) = ("", "");
        while (await ReadLineAsync(reader, ct) is { } line)
        {
            if (line.StartsWith("data:", StringComparison.Ordinal))
            {
                data += (data.Length > 0 ? "\n" : "") + line[5..].TrimStart(' ');
            }
            else if (line.StartsWith("event:", StringComparison.Ordinal))
            {
                kind = line[6..].Trim();
            }
            else if (line.Length == 0)
            {
                if (data.Length > 0 && kind != "ping")
                {
                    yield return data;
                }

                (kind, data) = ("", "");
            }
        }
    }

    private static async Task<string?> ReadLineAsync(StreamReader reader, CancellationToken ct)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(Silence);
        try
        {
            return await reader.ReadLineAsync(deadline.Token);
        }
        catch (IOException e)
        {
            throw Unreachable(e);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw Unreachable(new TimeoutException("the event stream fell silent", e));
        }
    }
}
