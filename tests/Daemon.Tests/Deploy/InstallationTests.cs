namespace Gantry.Daemon.Tests.Deploy;

/// <summary>What an administrator lives through with Gantry under systemd, in one guest: installation.sh says what is done, in this order.</summary>
[Trait("Category", "Soak")]
public sealed class InstallationTests(InstallationRun run) : IClassFixture<InstallationRun>
{
    [Fact]
    public void One_script_installs_it_on_a_bare_system_and_the_service_is_ready_when_it_returns()
    {
        run.Said("bare");
        var said = run.Said("install");

        foreach (var line in (string[])
        [
            "Creating group 'gantry'", "gantryd 0.1.0 runs.", "ActiveState=active", "StatusText=Serving requests.", "\nenabled\n", "gantry:x:",
            "711 root:root /run/gantry\n", "711 root:root /var/lib/gantry\n", "711 root:root /var/log/gantry\n", "700 root:root /etc/gantry\n",
            "660 root:gantry /run/gantry/gantry.sock\n", "Type=notify", "WatchdogUSec=2min", "KillMode=process", "OOMPolicy=continue",
        ])
        {
            said.ShouldContain(line);
        }
    }

    [Fact]
    public void Systemd_finds_nothing_wrong_with_the_unit()
    {
        run.Said("verify").ShouldNotContain("gantryd.service:");
        run.Said("security").ShouldContain("Overall exposure level for gantryd.service");
    }

    [Fact]
    public void Doctor_finds_every_measure_of_isolation_in_force()
    {
        run.Said("profile").ShouldContain("gantry-qemu (enforce)");
        var checks = run.Said("doctor").Split('\n').Where(l => l.Contains("  isolation: ", StringComparison.Ordinal)).ToList();

        checks.Count.ShouldBe(7);
        checks.ShouldAllBe(c => c.StartsWith("ok  ", StringComparison.Ordinal));
        checks.ShouldContain(c => c.Contains("in a scope of systemd's", StringComparison.Ordinal));
        checks.ShouldContain(c => c.Contains("gantry-qemu (enforce)", StringComparison.Ordinal));
    }

    [Fact]
    public void A_guest_runs_in_a_scope_of_its_own_under_the_profile_and_behind_filters_of_its_own()
    {
        run.Said("image").ShouldContain("micro");
        run.Said("launch").ShouldContain("micro is up: hello");
        var said = run.Said("confined");

        said.ShouldContain("gantry-qemu (enforce)");
        said.ShouldMatch("0::/gantry\\.slice/gantry-[0-9a-f]+-[0-9a-f-]+\\.scope\n");
        said.ShouldContain("CapEff:\t0000000000000000\n");
        said.ShouldContain("NoNewPrivs:\t1\n");
        said.ShouldContain("\n300\n", customMessage: "the daemon's protection from the kernel's choice is not inherited");
    }

    [Theory]
    [InlineData("restart")]
    [InlineData("stop")]
    [InlineData("killed")]
    [InlineData("hung")]
    [InlineData("misconfigured")]
    public void A_guest_goes_on_whatever_becomes_of_the_daemon(string step) => run.Said(step).ShouldContain("the guest ticks");

    [Fact]
    public void An_upgrade_leaves_guests_running_and_nothing_of_the_version_before()
    {
        var said = run.Said("upgrade");

        said.ShouldContain("gantryd 99.0.0 runs.");
        said.ShouldContain("the guest ticks");
        said.Split("\"version\":")[^1].ShouldContain("99.0.0");
        said.ShouldContain("-upgrade/gantryd\n");
        said.ShouldNotContain("(deleted)");
        said.Split('\n').Count(l => l.StartsWith('d') && l.Contains(" daemon-", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public void A_configuration_that_cannot_be_read_is_told_once_and_not_tried_for_ever()
    {
        var said = run.Said("misconfigured");

        said.ShouldContain("ActiveState=failed");
        said.ShouldContain("no.such");
    }

    [Fact]
    public void A_daemon_that_hangs_is_replaced() => run.Said("hung").ShouldContain("Watchdog timeout");

    [Fact]
    public void A_stopped_instance_leaves_no_process_no_scope_and_no_control_group()
    {
        run.Said("delete").Split('\n').ShouldNotContain(l => l.Contains(".scope", StringComparison.Ordinal));
    }

    [Fact]
    public void The_journal_has_the_daemons_words_as_JSON_and_only_its_own_reach_systemd()
    {
        var said = run.Said("journal");

        said.ShouldMatch("[1-9][0-9]* JSON lines, ");
        said.ShouldContain("\"LogLevel\":");
        said.ShouldNotContain("reception only permitted");
    }

    [Fact]
    public void It_is_not_removed_under_a_guest_that_runs() => run.Said("refused", code: 1).ShouldContain("these instances still run: hello");

    [Fact]
    public void Removed_it_leaves_its_data_and_purged_it_leaves_nothing()
    {
        run.Said("uninstall").ShouldContain("Kept: /var/lib/gantry");
        run.Said("again").ShouldContain("micro");
        run.Said("purge").ShouldContain("Removed, with all its data.");
        run.Findings.ShouldEndWith("THE END\n");
    }
}
