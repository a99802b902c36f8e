namespace Gantry.Daemon.Tests.Support;

/// <summary>The system's clock, which a test sets to another time. What was to wait still waits as long as it was to.</summary>
internal sealed class SetClock : TimeProvider
{
    private long _offset;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddTicks(Interlocked.Read(ref _offset));

    public void Set(DateTimeOffset now) => Interlocked.Exchange(ref _offset, (now - System.GetUtcNow()).Ticks);
}
