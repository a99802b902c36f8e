using System.Buffers.Text;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary>
/// What every list takes: <c>limit</c>, <c>cursor</c>, <c>filter</c>. A cursor is the sort key of the last item seen,
/// so pages stay right while items come and go.
/// </summary>
internal sealed record Paging(int Limit, string? After, string? Filter)
{
    public static ValueTask<Paging?> BindAsync(HttpContext http)
    {
        var query = http.Request.Query;
        var limit = Limits.DefaultPage;
        if (query["limit"].ToString() is { Length: > 0 } text && (!int.TryParse(text, out limit) || limit is < 1 or > Limits.MaxPage))
        {
            throw Refusal.Invalid("request.limit", $"limit is '{text}'.", $"Give a whole number from 1 to {Limits.MaxPage}.");
        }

        return new(new Paging(limit, Decode(query["cursor"].ToString()), query["filter"].ToString() is { Length: > 0 } filter ? filter : null));
    }

    /// <summary>A page out of <paramref name="rows"/>, which were read with one row more than the limit to see whether more follow.</summary>
    public Page<T> Cut<T>(IReadOnlyList<T> rows, Func<T, string> key) => rows.Count <= Limit
        ? new(rows, null)
        : new([.. rows.Take(Limit)], Base64Url.EncodeToString(Encoding.UTF8.GetBytes(key(rows[Limit - 1]))));

    private static string? Decode(string cursor)
    {
        if (cursor.Length == 0)
        {
            return null;
        }

        try
        {
            return Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)) is var key && !key.Contains('\0', StringComparison.Ordinal)
                ? key : throw new FormatException();
        }
        catch (FormatException)
        {
            throw Refusal.Invalid("request.cursor", "The cursor is not one of this list.", "Take nextCursor of the page before as it is, or leave it out to begin anew.");
        }
    }
}
