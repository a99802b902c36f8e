using System.CommandLine;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>One command being carried out: whom it talks to, and how it is to answer.</summary>
internal sealed class Session(Terminal terminal, Globals globals, ParseResult parsed) : IDisposable
{
    private ApiClient? _api;

    public Terminal Terminal { get; } = terminal;
    public TextWriter Out => Terminal.Out;
    public OutputFormat Format { get; } = parsed.GetValue(globals.Output);
    public bool Quiet { get; } = parsed.GetValue(globals.Quiet);
    public bool NoWait { get; } = parsed.GetValue(globals.NoWait);
    public string? Root { get; } = globals.RootPath(parsed, terminal.Environment);
    public ApiClient Api => _api ??= ApiClient.OverSocket(globals.SocketPath(parsed, Terminal.Environment));

    public void Dispose() => _api?.Dispose();

    /// <summary>The answer's bytes as they came.</summary>
    public async Task<byte[]> SendAsync(HttpMethod method, string path, HttpContent? body, CancellationToken ct)
    {
        using var response = await Api.SendAsync(method, path, body, ct: ct);
        return await response.Content.ReadAsByteArrayAsync(ct);
    }

    public Task<byte[]> SendAsync<T>(HttpMethod method, string path, T body, JsonTypeInfo<T> type, CancellationToken ct)
    {
        var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return SendAsync(method, path, content, ct);
    }

    public static T Read<T>(byte[] answer, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(answer, type) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new Refusal("daemon.odd_answer", 502, $"The daemon's answer cannot be read: {e.Message}",
                "Compare the versions: `gantry version` and `gantry system`.", inner: e);
        }
    }

    /// <summary>GET, shown as asked for: the bytes, as YAML, names only, or for people.</summary>
    public async Task<int> ShowAsync<T>(string path, JsonTypeInfo<T> type, Func<T, IEnumerable<string>> names, Action<T> table, CancellationToken ct)
    {
        Show(await SendAsync(HttpMethod.Get, path, null, ct), type, names, table);
        return ExitCode.Done;
    }

    public void Show<T>(byte[] answer, JsonTypeInfo<T> type, Func<T, IEnumerable<string>> names, Action<T> table)
    {
        if (Format != OutputFormat.Table)
        {
            WriteDocument(answer);
        }
        else if (Quiet)
        {
            WriteNames(names(Read(answer, type)));
        }
        else
        {
            table(Read(answer, type));
        }
    }

    public void WriteNames(IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            Out.WriteLine(Words.Clean(name));
        }
    }

    private bool _documentWritten;

    /// <summary>
    /// JSON to the byte; a line end follows only on a terminal. Further documents of one command begin on a line of their own
    /// (YAML: behind <c>---</c>).
    /// </summary>
    public void WriteDocument(byte[] answer)
    {
        if (Format == OutputFormat.Yaml)
        {
            if (_documentWritten)
            {
                Out.WriteLine("---");
            }

            Yaml.Write(Out, Read(answer, WireJson.Deep.JsonElement));
        }
        else
        {
            if (_documentWritten && !Terminal.OutIsTerminal)
            {
                Out.WriteLine();
            }

            Terminal.WriteRaw(answer);
            if (Terminal.OutIsTerminal)
            {
                Out.WriteLine();
            }
        }

        _documentWritten = true;
    }

    public void WriteDocument(JsonElement part) => WriteDocument(System.Text.Encoding.UTF8.GetBytes(part.GetRawText()));
}
