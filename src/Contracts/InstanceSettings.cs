namespace Gantry.Contracts;

/// <summary>
/// All one may say of an instance but its name: what a request, a template and an image say in layers. What is left out is
/// null and comes from the layer below.
/// </summary>
public record InstanceSettings : Machine
{
    /// <summary>Default: the image's, or else <c>vm</c>.</summary>
    public InstanceKind? Kind { get; init; }

    /// <summary>Default: the configured one.</summary>
    public string? Driver { get; init; }
    public string? Image { get; init; }

    /// <summary>Default 1.</summary>
    public int? Cpus { get; init; }

    /// <summary>Default 128 MiB for a microVM or container, 512 MiB for a VM.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>For a VM: how many CPUs it can be given while it runs. Default: as many as the node has, up to 64.</summary>
    public int? MaxCpus { get; init; }

    /// <summary>For a VM: how much memory it can be given while it runs. Default: twice its memory where that is 1 GiB or more, else no more than it has.</summary>
    public long? MaxMemoryBytes { get; init; }
    public string? Description { get; init; }
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
    public Boot? Boot { get; init; }

    /// <summary>Default: no.</summary>
    public bool? AutoStart { get; init; }

    /// <summary>What a guest with cloud-init is told at its first start. Default: nothing, and no disc.</summary>
    public CloudInit? CloudInit { get; init; }
}

/// <summary>The answer to <c>POST /instances?dryRun=true</c>: what would be made. Nothing was.</summary>
/// <param name="Settings">With all that was left out; without the addresses that are made of the instance's id.</param>
/// <param name="Origins">For each value's JSON path in <paramref name="Settings"/>: <c>request</c>, <c>template NAME</c>, <c>built-in NAME</c>, <c>image NAME</c> or <c>default</c>.</param>
public sealed record InstancePreview(string Name, InstanceSettings Settings, IReadOnlyDictionary<string, string> Origins, string? Template = null);
