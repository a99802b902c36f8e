namespace Gantry.Daemon.Tests.Deploy;

/// <summary>What an administrator lives through with Gantry under systemd: see installation.sh for what is done, in this order.</summary>
[Trait("Category", "Soak")]
public sealed class InstallationTests(InstallationRun run) : IClassFixture<InstallationRun>
{
    [Fact]
    public void The_guest_came_to_the_end()
    {
        run.Said("bare");
        run.Findings.ShouldEndWith("THE END\n");
        if (Environment.GetEnvironmentVariable("GANTRY_INSTALLATION_LOG") is { } log)
        {
            File.WriteAllText(log, run.Findings);
        }
    }
}
