using Gantry.Contracts;
namespace Gantry.Node.Images { public sealed record ImageFiles(string Kernel, string Initrd, string? CommandLine, long SizeBytes, IReadOnlyDictionary<string,string> Sha256, InstanceKind DefaultKind, string? Description); }
namespace Gantry.Node { public sealed partial class LocalNode {
 public Task<Images.ImageFiles> BuildImageAsync(Id<Image> id, string recipe, Action<Progress> report, CancellationToken ct) => throw new NotSupportedException();
 public Task RemoveImageAsync(Id<Image> id, CancellationToken ct) => throw new NotSupportedException();
 public Images.ImageFiles ImageFiles(Id<Image> id) => throw new NotSupportedException();
 public void DemandRecipe(string recipe) { _ = _drivers; }
}}
