using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>Where this node's apt gets Debian from, as its indexes say, whatever form its sources are written in.</summary>
/// <param name="Suite">The node's own: <c>bookworm</c>.</param>
/// <param name="Sources">Lines of a sources.list: the suite, its updates and its security updates. Other vendors' are left out.</param>
internal sealed record DebianMirrors(string Suite, IReadOnlyList<string> Sources)
{
    private const string Codename = "VERSION_CODENAME=";

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(1);

    /// <exception cref="Contracts.Refusal"><c>image.packages_unavailable</c></exception>
    public static async Task<DebianMirrors> AskAsync(IShell shell, CancellationToken ct)
    {
        var suite = File.ReadLines("/etc/os-release").Where(l => l.StartsWith(Codename, StringComparison.Ordinal)).Select(l => l[Codename.Length..].Trim('"')).FirstOrDefault("");
        try
        {
            var answer = await shell.RunAsync(new("apt-get",
                ["indextargets", "--format", "$(ORIGIN)|$(SITE)|$(RELEASE)|$(CODENAME)|$(COMPONENT)", "Created-By: Packages"], Deadline), ct);
            var found = Of(suite, answer.Output);
            return found.Sources.Count > 0 ? found : throw ImageErrors.PackagesUnavailable("base-files", $"apt has no index of Debian '{suite}'.");
        }
        catch (CommandFailed e)
        {
            throw ImageErrors.PackagesUnavailable("base-files", e.Message);
        }
    }

    /// <param name="targets">Lines of <c>ORIGIN|SITE|RELEASE|CODENAME|COMPONENT</c>.</param>
    internal static DebianMirrors Of(string suite, string targets) => new(suite,
    [
        .. targets.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('|'))
            .Where(f => f is ["Debian", _, _, var codename, _] && (codename == suite || codename == $"{suite}-updates" || codename == $"{suite}-security"))
            .GroupBy(f => $"{f[1]} {f[2]}", f => f[4])
            .Select(g => $"deb {g.Key} {string.Join(' ', g.Distinct())}"),
    ]);
}
