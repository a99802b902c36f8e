using System.Collections.Concurrent;
using Gantry.Contracts;

namespace Gantry.Node.Drivers.Sim;

/// <summary>Its guest on the serial line writes back what is typed, as a terminal shows it.</summary>
public sealed partial class SimDriver
{
    private readonly ConcurrentDictionary<Id<Instance>, TaskCompletionSource> _news = [];
    private readonly Lock _serial = new();

    public Task<SerialOutput> ReadSerialAsync(Id<Instance> id, int mostBytes, CancellationToken ct, long? since = null, bool timestamps = false) =>
        Task.FromResult(SerialLog.Read(SerialPath(id), mostBytes, since, timestamps));

    public async Task<ISerialLine> OpenSerialAsync(Id<Instance> id, long? since, int tailBytes, CancellationToken ct)
    {
        await Before("console", id, ct);
        Demand(id, InstanceState.Running, InstanceState.Paused);
        var end = SerialLog.EndOf(SerialPath(id));
        return new Line(this, id, Math.Min(end, since ?? Math.Max(0, end - tailBytes)));
    }

    /// <summary>What a guest writes.</summary>
    public void Say(Id<Instance> id, ReadOnlySpan<byte> bytes)
    {
        lock (_serial)
        {
            SerialLog.Append(SerialPath(id), bytes, node.Time.GetUtcNow());
        }

        Wake(id);
    }

    private void Wake(Id<Instance> id)
    {
        if (_news.TryRemove(id, out var news))
        {
            news.TrySetResult();
        }
    }

    private string SerialPath(Id<Instance> id) => $"{node.Folders.Data(id)}/serial.log";

    private sealed class Line(SimDriver driver, Id<Instance> id, long at) : ISerialLine
    {
        private const int MostBytes = 16 << 10;

        private bool _begun;

        public async Task<SerialPiece?> ReadAsync(CancellationToken ct)
        {
            while (true)
            {
                // Asked for before looking, so that what happens in between is not slept through.
                var news = driver._news.GetOrAdd(id, _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
                var runs = driver.StateOf(id) != InstanceState.Stopped;
                var piece = SerialLog.ReadSince(driver.SerialPath(id), at, MostBytes);
                if (!_begun || piece.Bytes.Length > 0)
                {
                    (_begun, at) = (true, piece.End);
                    return piece;
                }

                if (!runs)
                {
                    return null;
                }

                await news.WaitAsync(ct);
            }
        }

        public Task WriteAsync(ReadOnlyMemory<byte> input, CancellationToken ct)
        {
            if (driver.StateOf(id) == InstanceState.Running && !input.IsEmpty)
            {
                driver.Say(id, [.. input.ToArray().SelectMany(typed => typed == '\r' ? "\r\n"u8.ToArray() : [typed])]);
            }

            return Task.CompletedTask;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
