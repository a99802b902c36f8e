using Gantry.Contracts;
using Gantry.Daemon.Consoles;

namespace Gantry.Daemon.Tests.Consoles;

public sealed class ConsoleTicketTests
{
    private readonly Clock _clock = new();
    private readonly ConsoleGrant _grant = new(Id<Instance>.New(), "web1", "ann", ConsoleKind.Serial, false, 0, null);

    [Fact]
    public void A_ticket_runs_out()
    {
        var tickets = new ConsoleTickets(_clock);
        var (one, two) = (tickets.Issue(_grant), tickets.Issue(_grant));
        one.ExpiresAt.ShouldBe(_clock.Now.AddSeconds(Limits.ConsoleTicketSeconds));

        _clock.Now = one.ExpiresAt.AddTicks(-1);
        tickets.Redeem(one.Ticket, "ann", null).ShouldBe(_grant);
        _clock.Now = two.ExpiresAt;
        tickets.Redeem(two.Ticket, "ann", null).ShouldBeNull();
    }

    [Fact]
    public void A_ticket_is_good_once_for_who_asked_for_it_and_the_instance_asked_for()
    {
        var tickets = new ConsoleTickets(_clock);
        var ticket = tickets.Issue(_grant).Ticket;
        tickets.Redeem(ticket, "bob", null).ShouldBeNull();
        tickets.Redeem(ticket, "ann", null).ShouldBeNull(); // somebody else has had it

        tickets.Redeem(tickets.Issue(_grant).Ticket, "ann", "web2").ShouldBeNull();
        tickets.Redeem(tickets.Issue(_grant).Ticket, "ann", "web1").ShouldBe(_grant);
        tickets.Redeem(tickets.Issue(_grant).Ticket, "ann", _grant.Instance.ToString()).ShouldBe(_grant);
        tickets.Redeem(null, "ann", null).ShouldBeNull();
    }

    [Fact]
    public void So_many_wait_to_be_used_and_those_that_ran_out_make_room()
    {
        var tickets = new ConsoleTickets(_clock);
        for (var i = 0; i < Limits.ConsoleTickets; i++)
        {
            tickets.Issue(_grant);
        }

        Should.Throw<Refusal>(() => tickets.Issue(_grant)).Status.ShouldBe(429);
        _clock.Now += TimeSpan.FromSeconds(Limits.ConsoleTicketSeconds);
        tickets.Issue(_grant).Ticket.ShouldNotBeEmpty();
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
