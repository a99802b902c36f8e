using System.Globalization;
using System.Text;

namespace Gantry.Cli;

/// <summary>Text for people.</summary>
internal static class Words
{
    /// <summary>
    /// Safe on a terminal: control characters, and those that reorder or hide text, are written as <c>\x1b</c> or <c>\u202e</c>.
    /// Names, reasons and consoles are written by guests and other users, and an escape sequence could retype a command line.
    /// </summary>
    public static string Clean(string text) => Clean(text, keep: "");

    /// <summary>As <see cref="Clean(string)"/> for many lines: line ends and tabs stay, colours go without a trace.</summary>
    public static string CleanLines(string text)
    {
        text = text.Replace("\r\n", "\n", StringComparison.Ordinal);
        var plain = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var end = text[i] == '\e' && i + 1 < text.Length && text[i + 1] == '[' ? EndOfColour(text, i + 2) : -1;
            if (end < 0)
            {
                plain.Append(text[i]);
            }
            else
            {
                i = end;
            }
        }

        return Clean(plain.ToString(), keep: "\n\t");
    }

    /// <summary>How long ago, in its largest unit: <c>12s</c>, <c>5m</c>, <c>3h</c>, <c>9d</c>.</summary>
    public static string Ago(DateTimeOffset then, TimeProvider time) => (time.GetUtcNow() - then) switch
    {
        { TotalSeconds: < 0 } => "0s",
        { TotalMinutes: < 1 } span => $"{(int)span.TotalSeconds}s",
        { TotalHours: < 1 } span => $"{(int)span.TotalMinutes}m",
        { TotalDays: < 1 } span => $"{(int)span.TotalHours}h",
        var span => $"{(int)span.TotalDays}d",
    };

    public static string Span(double seconds) => seconds switch
    {
        < 60 => $"{(int)seconds} s",
        < 3600 => $"{(int)seconds / 60} min {(int)seconds % 60} s",
        _ => $"{(int)(seconds / 3600)} h {(int)(seconds / 60) % 60} min",
    };

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>The word an enum has in the API.</summary>
    public static string Of<T>(T value)
        where T : struct, Enum
    {
        var name = value.ToString();
        return char.ToLowerInvariant(name[0]) + name[1..];
    }

    public static string Join(IEnumerable<string> words) => string.Join(", ", words);

    private static string Clean(string text, string keep)
    {
        StringBuilder? clean = null;
        for (var i = 0; i < text.Length;)
        {
            // Half of a character that is two UTF-16 units comes out as U+FFFD when written, so it is shown for what it is.
            var whole = Rune.TryGetRuneAt(text, i, out var rune);
            var length = whole ? rune.Utf16SequenceLength : 1;
            if (whole && (keep.Contains(text[i]) || !IsUnsafe(rune)))
            {
                clean?.Append(text, i, length);
            }
            else
            {
                clean ??= new StringBuilder(text, 0, i, text.Length + 16);
                clean.Append((whole ? rune.Value : text[i]) switch
                {
                    '\n' => "\\n",
                    '\t' => "\\t",
                    '\r' => "\\r",
                    var value => value <= 0xff ? $"\\x{value:x2}" : value <= 0xffff ? $"\\u{value:x4}" : $"\\U{value:x8}",
                });
            }

            i += length;
        }

        return clean?.ToString() ?? text;
    }

    /// <summary>Control characters, and those that reorder or hide text.</summary>
    public static bool IsUnsafe(Rune rune) => Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    private static int EndOfColour(string text, int i)
    {
        while (i < text.Length && (char.IsAsciiDigit(text[i]) || text[i] == ';'))
        {
            i++;
        }

        return i < text.Length && text[i] == 'm' ? i : -1;
    }
}
