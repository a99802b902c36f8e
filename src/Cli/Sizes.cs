using System.Buffers;
using System.Globalization;

namespace Gantry.Cli;

/// <summary>Sizes as people write them. G and GiB are the same 2^30: memory and disks are never meant in powers of ten here.</summary>
internal static class Sizes
{
    public const string Accepted = "a number of bytes, or a number with K, M, G, T or KiB, MiB, GiB, TiB (128MiB, 1G, 1.5GiB)";

    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <returns>False for what is no size, is not a whole number of bytes, or is more than 8 EiB.</returns>
    public static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        var digits = text.AsSpan().IndexOfAnyExcept(Digits);
        var number = digits < 0 ? text : text[..digits];
        var power = Power(digits < 0 ? "" : text[digits..]);
        if (power < 0
            || !decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            || number.StartsWith('.') || number.EndsWith('.') || value > long.MaxValue)
        {
            return false;
        }

        for (var i = 0; i < power; i++)
        {
            value *= 1024;
        }

        if (value > long.MaxValue || value != decimal.Truncate(value))
        {
            return false;
        }

        bytes = (long)value;
        return true;
    }

    /// <summary>Short, for people: <c>128 MiB</c>, <c>1.5 GiB</c>.</summary>
    public static string Format(double bytes)
    {
        var unit = 0;
        while (bytes >= 1024 && unit < Units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{bytes:0.#} {Units[unit]}");
    }

    private static int Power(string suffix) => suffix.ToUpperInvariant() switch
    {
        "" or "B" => 0,
        "K" or "KIB" => 1,
        "M" or "MIB" => 2,
        "G" or "GIB" => 3,
        "T" or "TIB" => 4,
        _ => -1,
    };
}
