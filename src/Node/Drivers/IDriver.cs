using Gantry.Contracts;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers;

/// <summary>
/// Runs instances on one kind of platform: what every driver has. Each further ability is an optional interface in
/// Capabilities.cs. Calls are idempotent and named by id; the specification lies in the instance's folder
/// (<see cref="Instances.InstanceFolders"/>), so a driver needs nothing but the id. Disposing of a driver lets go of what the
/// object holds; what it runs runs on and is taken up by the next.
/// </summary>
public interface IDriver : IAsyncDisposable
{
    string Name { get; }

    IReadOnlyList<InstanceKind> Kinds { get; }

    /// <summary>What this host can do now; never throws for a missing platform but says what is missing.</summary>
    Task<Fingerprint> ProbeAsync(CancellationToken ct);

    /// <summary>Refuses a specification that could not be started: a missing kernel, a kind it does not run.</summary>
    Task CheckAsync(InstanceSpec spec, CancellationToken ct);

    /// <summary>Starts it and returns when it runs. Starting a running one changes nothing.</summary>
    /// <exception cref="Refusal"><c>driver.start_failed</c> with the platform's last words; nothing is left running.</exception>
    Task StartAsync(Id<Instance> id, CancellationToken ct);

    /// <summary>Ends it and returns when it has ended. Stopping a stopped one changes nothing.</summary>
    /// <param name="grace">For <see cref="StopMode.Shutdown"/>: how long the guest may take. It keeps running when that is over.</param>
    /// <exception cref="Refusal"><c>instance.shutdown_timeout</c></exception>
    Task StopAsync(Id<Instance> id, StopMode mode, TimeSpan grace, CancellationToken ct);

    /// <summary>Removes what the driver keeps of it outside its folder; kills it if it still runs.</summary>
    Task RemoveAsync(Id<Instance> id, CancellationToken ct);

    /// <summary>Takes it up again after this process restarted, and says how it is; a stopped one is <see cref="InstanceState.Stopped"/>.</summary>
    Task<InstanceStatus> RecoverAsync(Id<Instance> id, CancellationToken ct);

    /// <summary>How it is now, asked of the platform.</summary>
    Task<InstanceStatus> InspectAsync(Id<Instance> id, CancellationToken ct);

    /// <summary>
    /// What nobody asked this driver for, as it happens: a guest that powered itself off or reset itself, a killed process, a failed disk.
    /// What happened while no driver object was there is told by the next one, once it has taken the instance up.
    /// </summary>
    IAsyncEnumerable<InstanceChange> ChangesAsync(CancellationToken ct);
}

/// <param name="Reason">Why it is not usable and what would make it so; or a remark on one that is.</param>
public sealed record Fingerprint(DriverHealth Health, string? Version = null, string? Accelerator = null, string? Reason = null);

public enum StopMode
{
    Shutdown,
    PowerOff,
}

/// <summary>How an instance is.</summary>
/// <param name="Reason">Why, where there is something to say.</param>
/// <param name="StopCause">Of a stopped one: what ended it; null when it was asked for, or never ran.</param>
/// <param name="PauseCause">Of a paused one: what paused it; null when it was asked for.</param>
public sealed record InstanceStatus(
    InstanceState State, string? Reason = null, Observed? Observed = null, StopCause? StopCause = null, PauseCause? PauseCause = null);

/// <param name="WasReset">The guest reset itself; of several in short order the last is enough.</param>
public sealed record InstanceChange(Id<Instance> Id, InstanceState State, string? Reason, bool WasReset = false);
