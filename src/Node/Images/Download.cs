using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>
/// Fetches a file and goes on where it broke off, after a restart of the daemon too: the part fetched lies beside what the
/// server said of the file (RFC 9110, Range with If-Range), and when the server's file is another by then it begins anew.
/// </summary>
internal sealed class Download(HttpMessageInvoker http, ImageSettings settings, TimeProvider time)
{
    private const int MostRedirects = 5;
    private const int BlockBytes = 1 << 16;

    private readonly string _boot = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <param name="url">Checked by <see cref="DownloadAddress"/>.</param>
    /// <param name="file">Where it is put; afterwards it is whole.</param>
    /// <returns>Its SHA-256.</returns>
    /// <exception cref="Refusal"><c>image.download_failed</c>, <c>image.download_stalled</c>, <c>image.too_large</c>, <c>image.no_space</c>, <c>image.address_refused</c></exception>
    public async Task<string> FetchAsync(Uri url, string file, Action<Progress> report, CancellationToken ct)
    {
        var state = ReadState(file);
        var best = 0L; // what was had before counts as nothing new, though a file without a tag is begun anew each time
        for (var failures = 0; ;)
        {
            await using var part = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite);
            if (state is null)
            {
                part.SetLength(0);
            }

            try
            {
                var (sum, done) = await AttemptAsync(url, part, state, next => WriteState(file, state = next), report, ct);
                if (done)
                {
                    part.Flush(flushToDisk: true);
                    File.Delete(StateOf(file));
                    return sum;
                }
            }
            catch (IOException e) when (e.HResult == ImageErrors.FullDisk)
            {
                throw ImageErrors.NoSpace(file);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TimeoutException)
            {
                if (e.GetBaseException() is Refusal refusal)
                {
                    throw refusal;
                }

                (failures, best) = part.Length > best ? (1, part.Length) : (failures + 1, best);
                if (failures >= settings.Patience.Tries)
                {
                    throw e is TimeoutException ? ImageErrors.DownloadStalled(url.Host) : ImageErrors.DownloadFailed(url.Host, e.GetBaseException().Message);
                }
            }

            await Task.Delay(settings.Patience.Pause, time, ct);
        }
    }

    public static string StateOf(string file) => $"{file}.state";

    /// <summary>One request and its body. Not done when the server wants to be asked anew, or broke off.</summary>
    private async Task<(string Sum, bool Done)> AttemptAsync(Uri url, FileStream part, State? state, Action<State?> remember, Action<Progress> report, CancellationToken ct)
    {
        using var response = await AskAsync(url, part.Length, state, ct);
        switch (response.StatusCode)
        {
            case HttpStatusCode.PartialContent when response.Content.Headers.ContentRange?.From == part.Length:
                break;
            case HttpStatusCode.OK:
                part.SetLength(0);
                remember(StateFrom(response));
                break;
            case HttpStatusCode.RequestedRangeNotSatisfiable or HttpStatusCode.PartialContent:
                part.SetLength(0);
                remember(null);
                return ("", false);
            case HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError:
                throw new HttpRequestException($"it answers {(int)response.StatusCode} {response.ReasonPhrase}");
            default:
                throw ImageErrors.DownloadFailed(url.Host, $"it answers {(int)response.StatusCode} {response.ReasonPhrase}.");
        }

        var total = part.Length + response.Content.Headers.ContentLength;
        if (total > settings.MaxBytes)
        {
            throw ImageErrors.TooLarge(total.Value, settings.MaxBytes);
        }

        using var sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        part.Position = 0;
        var buffer = new byte[BlockBytes];
        while (await part.ReadAsync(buffer, ct) is var had and > 0)
        {
            sum.AppendData(buffer, 0, had);
        }

        var meter = new Meter("download", part.Length, total, report, time);
        await using var body = await response.Content.ReadAsStreamAsync(ct);
        while (await WithinAsync(token => body.ReadAsync(buffer, token).AsTask(), ct) is var read and > 0)
        {
            if (part.Length + read > settings.MaxBytes)
            {
                throw ImageErrors.TooLarge(part.Length + read, settings.MaxBytes);
            }

            sum.AppendData(buffer, 0, read);
            await part.WriteAsync(buffer.AsMemory(0, read), ct);
            await part.FlushAsync(ct);
            meter.Add(read);
        }

        return part.Length == (total ?? part.Length) ? (Convert.ToHexStringLower(sum.GetHashAndReset()), true) : throw new IOException("it broke off");
    }

    private async Task<HttpResponseMessage> AskAsync(Uri url, long have, State? state, CancellationToken ct)
    {
        for (var hop = 0; ; hop++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url);
            if (have > 0 && state is not null)
            {
                request.Headers.Range = new(have, null);
                request.Headers.IfRange = state.ETag is { } etag ? new RangeConditionHeaderValue(new EntityTagHeaderValue(etag)) : new(state.LastModified!.Value);
            }

            var response = await WithinAsync(token => http.SendAsync(request, token), ct);
            if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308))
            {
                return response;
            }

            using (response)
            {
                var next = response.Headers.Location is { } location ? new Uri(url, location) : throw ImageErrors.DownloadFailed(url.Host, "it redirects to nowhere.");
                if (hop == MostRedirects)
                {
                    throw ImageErrors.DownloadFailed(url.Host, $"it redirects more than {MostRedirects} times.");
                }

                if (url.Scheme == Uri.UriSchemeHttps && next.Scheme != Uri.UriSchemeHttps)
                {
                    throw ImageErrors.DownloadFailed(url.Host, "it redirects from https to http.");
                }

                url = DownloadAddress.Demand(next.ToString(), settings.LinkLocal);
            }
        }
    }

    /// <summary>What can be silent gets a deadline each time.</summary>
    private async Task<T> WithinAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken ct)
    {
        using var silence = new CancellationTokenSource(settings.Patience.Silence, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, silence.Token);
        try
        {
            return await work(either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new TimeoutException("it is silent");
        }
    }

    /// <summary>Only a strong validator proves that what follows belongs to what is there (RFC 9110, 13.1.5).</summary>
    private State? StateFrom(HttpResponseMessage response) => response switch
    {
        { Headers.ETag: { IsWeak: false, Tag: var tag } } => new(tag, null, _boot),
        { Headers.ETag: null, Content.Headers.LastModified: { } modified } => new(null, modified, _boot),
        _ => null,
    };

    /// <summary>After a reboot the part may have holes where the disk was not written yet.</summary>
    private State? ReadState(string file)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(StateOf(file)), DownloadJson.Default.State) is { } state && state.Boot == _boot ? state : null;
        }
        catch (Exception e) when (e is FileNotFoundException or JsonException)
        {
            return null;
        }
    }

    private static void WriteState(string file, State? state)
    {
        if (state is null)
        {
            File.Delete(StateOf(file));
        }
        else
        {
            AtomicFile.Write(StateOf(file), JsonSerializer.SerializeToUtf8Bytes(state, DownloadJson.Default.State));
        }
    }

    internal sealed record State(string? ETag, DateTimeOffset? LastModified, string Boot);
}

[JsonSerializable(typeof(Download.State))]
internal sealed partial class DownloadJson : JsonSerializerContext;

/// <summary>Turns bytes that pass into progress.</summary>
internal sealed class Meter(string stage, long before, long? total, Action<Progress> report, TimeProvider time)
{
    private readonly long _began = time.GetTimestamp();
    private long _bytes;

    public void Add(int bytes)
    {
        _bytes += bytes;
        var seconds = time.GetElapsedTime(_began).TotalSeconds;
        var rate = seconds > 0 ? _bytes / seconds : 0;
        var sofar = before + _bytes;
        report(new(stage, total > 0 ? 80.0 * sofar / total : null, sofar, total, rate > 0 ? Math.Round(rate) : null, rate > 0 && total is { } all ? Math.Round((all - sofar) / rate) : null));
    }
}
