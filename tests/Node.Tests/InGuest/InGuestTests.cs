namespace Gantry.Node.Tests.InGuest;

/// <summary>Suites that need another kernel than this machine's, run in a guest that has it. `./dev test --in-guest SUITE` runs one.</summary>
[Trait("Category", "Guest")]
public sealed class InGuestTests
{
    /// <summary>The suite that is wanted.</summary>
    private const string Suite = "GANTRY_IN_GUEST";

    /// <summary>A file that gets what the guest wrote: docs/operate/in-guest/lvm.log is one.</summary>
    private const string Log = "GANTRY_IN_GUEST_LOG";

    [Fact]
    public async Task Its_suite_passes_in_a_guest()
    {
        var suite = Environment.GetEnvironmentVariable(Suite);
        if (suite is null)
        {
            Assert.Skip($"`./dev test --in-guest SUITE` names a suite in {Suite}");
        }

        await using var root = new TestRoot();
        var (findings, console) = await new DebianGuest(root).RunAsync(suite, CancellationToken.None);
        if (Environment.GetEnvironmentVariable(Log) is { } log)
        {
            await File.WriteAllTextAsync(log, findings);
        }

        findings.ShouldEndWith("ENDED 0\n", customMessage: console);
        findings.ShouldMatch("Total: [1-9]");
    }
}
