namespace Gantry.Cli;

/// <summary>A table for a terminal. Every cell is made safe here and nowhere else. A heading that starts with '>' aligns to the right.</summary>
internal sealed class Table(params string[] headings)
{
    private readonly List<string[]> _rows = [];

    public void Add(params string?[] cells) => _rows.Add([.. cells.Select(cell => string.IsNullOrEmpty(cell) ? "-" : Words.Clean(cell))]);

    public void Write(TextWriter writer)
    {
        var right = headings.Select(heading => heading.StartsWith('>')).ToArray();
        string[] head = [.. headings.Select(heading => heading.TrimStart('>'))];
        int[] widths = [.. head.Select((heading, i) => _rows.Select(row => row[i].Length).Append(heading.Length).Max())];
        foreach (var row in _rows.Prepend(head))
        {
            var line = row.Select((cell, i) => right[i] ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]));
            writer.WriteLine(string.Join("  ", line).TrimEnd());
        }
    }
}

/// <summary>One thing, a line for each of its fields; fields without a value are left out.</summary>
internal sealed class Card
{
    private readonly List<(string Name, string Value)> _fields = [];

    public Card Add(string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            _fields.Add((name, Words.Clean(value)));
        }

        return this;
    }

    public void Write(TextWriter writer)
    {
        var width = _fields.Max(field => field.Name.Length) + 1;
        foreach (var (name, value) in _fields)
        {
            writer.WriteLine($"{(name + ":").PadRight(width)}  {value}");
        }
    }
}
