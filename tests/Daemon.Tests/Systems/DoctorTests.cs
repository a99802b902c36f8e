using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Systems;

public sealed class DoctorTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Fact]
    public async Task It_says_of_each_measure_of_isolation_whether_it_holds()
    {
        var checks = (await daemon.Api.DoctorAsync()).Items.Where(c => c.Name.StartsWith("isolation: ", StringComparison.Ordinal)).ToDictionary(c => c.Name["isolation: ".Length..]);

        checks.Keys.ShouldBe(["user ids", "capabilities", "no_new_privs", "seccomp", "namespaces", "limits", "AppArmor"], ignoreOrder: true);
        foreach (var sure in (string[])["user ids", "capabilities", "no_new_privs", "seccomp", "namespaces"])
        {
            checks[sure].Level.ShouldBe(CheckLevel.Ok, checks[sure].Finding);
        }

        checks.Values.ShouldAllBe(c => c.Level == CheckLevel.Ok || c.Hint != null);
        checks["AppArmor"].Level.ShouldNotBe(CheckLevel.Failed, "it is not required");
    }

    [Fact]
    public async Task Asked_by_several_at_once_it_answers_each()
    {
        var reports = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => daemon.Api.DoctorAsync()));

        reports.ShouldAllBe(r => r.Items.Any(c => c.Name == "isolation: namespaces" && c.Level == CheckLevel.Ok));
    }
}
