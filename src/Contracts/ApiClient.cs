using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Gantry.Contracts;

/// <summary>
/// The API, typed. Every "no" of the daemon is thrown as the same <see cref="Refusal"/> it was there;
/// a daemon that cannot be reached is the refusal <c>daemon.unreachable</c>.
/// </summary>
public sealed partial class ApiClient(HttpClient http) : IDisposable
{
    public const string Base = "/api/v1";

    /// <summary>Speaks HTTP over the daemon's Unix socket.</summary>
    public static ApiClient OverSocket(string path) => new(new HttpClient(new SocketsHttpHandler
    {
        ConnectCallback = async (_, ct) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), ct);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException e)
            {
                socket.Dispose();
                throw new HttpRequestException(HttpRequestError.ConnectionError, WhyNot(path, e), e);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    })
    {
        BaseAddress = new Uri("http://gantry"),
        Timeout = Timeout.InfiniteTimeSpan, // each call has its own, see DeliverAsync; an upload takes as long as it takes
    });

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(Limits.MaxWaitSeconds + 30);

    public void Dispose() => http.Dispose();

    /// <summary>
    /// Any call, its answer as it came: for <c>gantry query</c> and <c>-o json</c>. Throws the refusal on a status of 400 and above.
    /// A POST carries an Idempotency-Key of its own, so one whose connection breaks is sent a second time without being done twice.
    /// </summary>
    /// <param name="ifMatch">The ETag the object must still have; null when that does not matter.</param>
    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpContent? body = null,
        HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead, string? ifMatch = null, CancellationToken ct = default)
    {
        var response = await Reach(() => DeliverAsync(method, path, body, completion, ifMatch, ct));
        return await DemandSuccessAsync(response, ct);
    }

    /// <summary>A POST whose body may take hours and can be sent only once: no deadline but the caller's, and no second try.</summary>
    public async Task<HttpResponseMessage> UploadAsync(string path, HttpContent body, CancellationToken ct = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Base + path) { Content = body };
        request.Headers.ExpectContinue = true; // a refusal comes before the bytes, not in the middle of them
        var response = await Reach(() => http.SendAsync(request, ct));
        return await DemandSuccessAsync(response, ct);
    }

    private static async Task<HttpResponseMessage> DemandSuccessAsync(HttpResponseMessage response, CancellationToken ct)
    {
        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw await RefusalOf(response, ct);
        }
    }

    /// <summary>As <see cref="SendAsync"/>, with the body read as <typeparamref name="T"/>.</summary>
    public async Task<T> SendAsync<T>(HttpMethod method, string path, JsonTypeInfo<T> answer, HttpContent? body = null, CancellationToken ct = default)
    {
        using var response = await SendAsync(method, path, body, ct: ct);
        return await response.Content.ReadFromJsonAsync(answer, ct)
            ?? throw new Refusal("daemon.odd_answer", 502, $"The daemon answered {method} {path} with null.", "Compare the versions of client and daemon.");
    }

    private Task<T> GetAsync<T>(string path, JsonTypeInfo<T> answer, CancellationToken ct) => SendAsync(HttpMethod.Get, path, answer, null, ct);

    private Task<TAnswer> PostAsync<TBody, TAnswer>(string path, TBody body, JsonTypeInfo<TBody> type, JsonTypeInfo<TAnswer> answer, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, path, answer, JsonContent.Create(body, type), ct);

    private async Task<HttpResponseMessage> DeliverAsync(
        HttpMethod method, string path, HttpContent? body, HttpCompletionOption completion, string? ifMatch, CancellationToken ct)
    {
        var key = method == HttpMethod.Post ? Guid.CreateVersion7().ToString() : null;
        using var limit = new CancellationTokenSource(Patience, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, limit.Token);
        try
        {
            return await http.SendAsync(Request(), completion, either.Token);
        }
        catch (HttpRequestException e) when (key is not null && e.HttpRequestError != HttpRequestError.ConnectionError)
        {
            return await http.SendAsync(Request(), completion, either.Token);
        }
        catch (OperationCanceledException e) when (limit.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            throw new TaskCanceledException(e.Message, new TimeoutException(e.Message, e));
        }

        // Never disposed: that would dispose the body with it, which a second sending needs.
        HttpRequestMessage Request()
        {
            var request = new HttpRequestMessage(method, Base + path) { Content = body };
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
            if (key is not null)
            {
                request.Headers.Add("Idempotency-Key", key);
            }

            if (ifMatch is not null)
            {
                request.Headers.Add("If-Match", ifMatch);
            }

            return request;
        }
    }

    private static async Task<HttpResponseMessage> Reach(Func<Task<HttpResponseMessage>> call)
    {
        try
        {
            return await call();
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e.HttpRequestError == HttpRequestError.ConnectionError && e.InnerException is HttpRequestException why ? why : Root(e));
        }
        catch (TaskCanceledException e) when (e.InnerException is TimeoutException)
        {
            throw new Refusal("daemon.silent", 504, "The daemon took the call and did not answer in time.",
                "See its log; `gantry operation list` shows what it is doing.", inner: e);
        }
    }

    private static Exception Root(Exception e) => e is HttpRequestException { InnerException: { } inner } ? Root(inner) : e;

    private static Refusal Unreachable(Exception e) =>
        new("daemon.unreachable", 0, $"The daemon cannot be reached: {e.Message.TrimEnd('.')}.",
            "Start it (`systemctl start gantryd`, or `./dev up` from the source), or name another with --root or --socket.", inner: e);

    // The runtime's own words for a missing path are "Cannot assign requested address".
    private static string WhyNot(string path, SocketException e) => e.SocketErrorCode switch
    {
        SocketError.AccessDenied => $"{path} may not be opened by this user",
        SocketError.ConnectionRefused => $"nothing listens on {path}",
        _ when !File.Exists(path) => $"there is no socket at {path}",
        _ => $"{path}: {e.Message}",
    };

    private static async Task<Refusal> RefusalOf(HttpResponseMessage response, CancellationToken ct)
    {
        var text = await response.Content.ReadAsStringAsync(ct);
        try
        {
            if (JsonSerializer.Deserialize(text, WireJson.Default.Problem) is { } problem)
            {
                return problem.ToRefusal();
            }
        }
        catch (JsonException)
        {
            // Not from Gantry: a proxy, or something else on this socket. Said below in its own words.
        }

        return new Refusal("daemon.odd_answer", (int)response.StatusCode,
            $"The answer was {(int)response.StatusCode} {response.ReasonPhrase}: {(text.Length > 200 ? text[..200] : text)}",
            "Check that what answers there is a Gantry daemon.");
    }
}
