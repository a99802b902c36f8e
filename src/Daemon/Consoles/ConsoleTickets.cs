using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Daemon.Consoles;

/// <summary>What a ticket allows, and to whom.</summary>
internal sealed record ConsoleGrant(Id<Instance> Instance, string Name, string Caller, ConsoleKind Kind, bool ViewOnly, int TailBytes, long? Since);

/// <summary>Tickets given and not used yet: 256 random bits each, kept only as a hash, and only here. A restart makes them void.</summary>
internal sealed class ConsoleTickets(TimeProvider time)
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(Limits.ConsoleTicketSeconds);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (ConsoleGrant Grant, DateTimeOffset ExpiresAt)> _waiting = [];

    /// <exception cref="Refusal"><c>console.too_many_tickets</c></exception>
    public ConsoleTicket Issue(ConsoleGrant grant)
    {
        var now = time.GetUtcNow();
        var ticket = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        lock (_lock)
        {
            foreach (var (hash, _) in _waiting.Where(waiting => waiting.Value.ExpiresAt <= now).ToList())
            {
                _waiting.Remove(hash);
            }

            if (_waiting.Count >= Limits.ConsoleTickets)
            {
                throw ConsoleErrors.TooManyTickets;
            }

            _waiting[HashOf(ticket)] = (grant, now + Lifetime);
        }

        return new(ticket, $"{ApiClient.Base}/consoles?instance={grant.Instance}", now + Lifetime);
    }

    /// <summary>What it allows; null when it allows nothing to this caller. Either way it is used up.</summary>
    /// <param name="instance">The instance the caller means; null for whichever the ticket is of.</param>
    public ConsoleGrant? Redeem(string? ticket, string caller, string? instance)
    {
        if (ticket is null)
        {
            return null;
        }

        (ConsoleGrant Grant, DateTimeOffset ExpiresAt) found;
        lock (_lock)
        {
            if (!_waiting.Remove(HashOf(ticket), out found))
            {
                return null;
            }
        }

        var grant = found.Grant;
        return found.ExpiresAt > time.GetUtcNow() && grant.Caller == caller && (instance is null || instance == grant.Name || instance == grant.Instance.ToString()) ? grant : null;
    }

    private static string HashOf(string ticket) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(ticket)));
}
