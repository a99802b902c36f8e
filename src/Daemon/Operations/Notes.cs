using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Daemon.Operations;

/// <summary>What a step said since it was last written down.</summary>
internal sealed record Noted(string? Progress, string? Result, DateTime[] Times, string[] Texts);

/// <summary>Collects what steps say, from any thread, until the next write takes it along.</summary>
internal sealed class Notes(TimeProvider time, Action dirty)
{
    private readonly Lock _lock = new();
    private readonly List<(DateTime Time, string Text)> _lines = [];
    private readonly ProgressRate _rate = new(time);
    private Progress? _progress;
    private string? _result;
    private Task _written = Task.CompletedTask;

    public void Report(Progress progress)
    {
        lock (_lock)
        {
            _progress = _rate.Of(progress, time.GetTimestamp());
        }

        dirty();
    }

    public void Log(string text)
    {
        lock (_lock)
        {
            _lines.Add((time.GetUtcNow().UtcDateTime, text.Replace("\0", "", StringComparison.Ordinal))); // PostgreSQL's text has no NUL
        }

        dirty();
    }

    public void SetResult<T>(T result)
    {
        var text = JsonSerializer.Serialize(result, OperationJson.Options);
        lock (_lock)
        {
            _result = text;
        }
    }

    /// <summary>For a write of many operations' notes at once; <paramref name="written"/> ends with it, whether it worked or not.</summary>
    public Noted Take(Task written)
    {
        lock (_lock)
        {
            _written = written;
            return Take();
        }
    }

    /// <summary>For a write of this operation alone, after the one that may be under way: what was said first is written first.</summary>
    public async Task<Noted> TakeAsync()
    {
        while (true)
        {
            Task written;
            lock (_lock)
            {
                if (_written.IsCompleted)
                {
                    return Take();
                }

                written = _written;
            }

            await written;
        }
    }

    /// <summary>Puts back what could not be written.</summary>
    public void Return(Noted noted)
    {
        lock (_lock)
        {
            _lines.InsertRange(0, noted.Times.Zip(noted.Texts));
            _progress ??= noted.Progress is null ? null : JsonSerializer.Deserialize(noted.Progress, WireJson.Default.Progress);
        }
    }

    private Noted Take()
    {
        var taken = new Noted(OperationJson.Text(_progress), _result, [.. _lines.Select(l => l.Time)], [.. _lines.Select(l => l.Text)]);
        _lines.Clear();
        _progress = null;
        return taken;
    }
}
