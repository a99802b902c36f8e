using System.Text.Json;

namespace Gantry.Cli.Tests;

public sealed class TextTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("4096", 4096)]
    [InlineData("4096B", 4096)]
    [InlineData("1K", 1024)]
    [InlineData("128MiB", 128L << 20)]
    [InlineData("512M", 512L << 20)]
    [InlineData("512m", 512L << 20)]
    [InlineData("1GiB", 1L << 30)]
    [InlineData("1G", 1L << 30)]
    [InlineData("1.5GiB", 3L << 29)]
    [InlineData("2T", 2L << 40)]
    public void A_size_is_read_as_people_write_it(string text, long bytes)
    {
        Sizes.TryParse(text, out var read).ShouldBeTrue();
        read.ShouldBe(bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("G")]
    [InlineData("-1")]
    [InlineData("1 GiB")]
    [InlineData("1GB")]
    [InlineData("1.3")]
    [InlineData("1.G")]
    [InlineData(".5G")]
    [InlineData("1,5G")]
    [InlineData("1e9")]
    [InlineData("0x10")]
    [InlineData("9999999T")]
    [InlineData("99999999999999999999999999999999")]
    [InlineData("1PiB")]
    public void Nonsense_is_no_size(string text) => Sizes.TryParse(text, out _).ShouldBeFalse();

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(128L << 20, "128 MiB")]
    [InlineData(3L << 29, "1.5 GiB")]
    [InlineData(5L << 50, "5120 TiB")]
    public void A_size_is_written_short(long bytes, string text) => Sizes.Format(bytes).ShouldBe(text);

    [Theory]
    [InlineData("plain é 漢 😀", "plain é 漢 😀")]
    [InlineData("a\u001b[31m", "a\\x1b[31m")]
    [InlineData("a\nb\tc\rd", "a\\nb\\tc\\rd")]
    [InlineData("\u007f\u009b\u2028\u202e\u2066", "\\x7f\\x9b\\u2028\\u202e\\u2066")]
    public void Text_from_elsewhere_is_made_safe(string text, string safe) => Words.Clean(text).ShouldBe(safe);

    [Fact]
    public void Invisible_tags_are_made_safe() => Words.Clean("a\U000E0041b").ShouldBe("a\\U000e0041b");

    [Fact]
    public void Half_a_character_is_made_safe() => Words.Clean("\ud83d!\ude00").ShouldBe("\\ud83d!\\ude00");

    [Theory]
    [InlineData("\u001b[1;32mgreen\u001b[0m\r\n", "green\n")]
    [InlineData("\u001b[2J\u001b[H", "\\x1b[2J\\x1b[H")]
    [InlineData("\u001b[31", "\\x1b[31")]
    [InlineData("a\rb", "a\\rb")]
    public void A_console_loses_its_colours_and_nothing_else(string text, string safe) => Words.CleanLines(text).ShouldBe(safe);

    [Fact]
    public void Yaml_never_turns_a_string_into_something_else()
    {
        const string json = """
            {"a":"yes","b":"1","c":"","d":"x: y","e":"- x","f":"#","g":"é","h":"line\nline","i":"null","j":"2026-01-01","k":" a","l":"~",
             "m":null,"n":true,"o":1.5,"p":[],"q":{},"r":[1,[2,[]],{"s":[{"t":1,"u":2}]}],"on":0,"a b":"0x1","v":"a # b","w":"\"\\","x":"\u001b\u009b\u202e\u200b\u2028😀"}
            """;
        using var writer = new StringWriter { NewLine = "\n" };
        Yaml.Write(writer, JsonDocument.Parse(json).RootElement);
        Golden.Matches("yaml", writer.ToString());
    }
}
