using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>One line on standard error that is drawn over and over, and gone at the end. Nothing at all where that is no terminal.</summary>
internal sealed class ProgressLine(Terminal terminal) : IDisposable
{
    private const int BarWidth = 24;
    private bool _drawn;

    public bool IsShown => terminal.ErrorIsTerminal;

    public void Show(Operation operation, TimeSpan elapsed) => Draw(Text(operation, elapsed));

    /// <summary>Bytes on their way from here to the daemon.</summary>
    public void Show(long sent, long total, TimeSpan elapsed)
    {
        var rate = elapsed > TimeSpan.Zero ? sent / elapsed.TotalSeconds : 0;
        Draw(Text("send", new Progress("send", total > 0 ? 100.0 * sent / total : null, sent, total, rate > 0 ? rate : null, rate > 0 ? (total - sent) / rate : null), elapsed));
    }

    private void Draw(string text)
    {
        if (!IsShown)
        {
            return;
        }

        var width = terminal.Width() - 1;
        terminal.Error.Write($"\r\e[K{(text.Length > width ? text[..width] : text)}");
        terminal.Error.Flush();
        _drawn = true;
    }

    public void Dispose()
    {
        if (_drawn)
        {
            terminal.Error.Write("\r\e[K");
            terminal.Error.Flush();
        }
    }

    internal static string Text(Operation operation, TimeSpan elapsed) =>
        Text(operation.Progress?.Stage ?? operation.Step ?? Words.Of(operation.State), operation.Progress, elapsed);

    private static string Text(string stage, Progress? told, TimeSpan elapsed)
    {
        var parts = new List<string> { Words.Clean(stage) };
        if (told is { } progress)
        {
            if (progress.Percent is { } percent)
            {
                var full = (int)Math.Clamp(percent / 100 * BarWidth, 0, BarWidth);
                parts.Add($"[{new string('#', full)}{new string('.', BarWidth - full)}]");
                parts.Add(string.Create(CultureInfo.InvariantCulture, $"{percent,3:0} %"));
            }

            if (progress.Bytes is { } bytes)
            {
                parts.Add(progress.TotalBytes is { } total ? $"{Sizes.Format(bytes)} of {Sizes.Format(total)}" : Sizes.Format(bytes));
            }

            if (progress.BytesPerSecond is { } rate)
            {
                parts.Add($"{Sizes.Format(rate)}/s");
            }

            if (progress.SecondsLeft is { } left)
            {
                parts.Add($"{Words.Span(left)} left");
            }
        }

        return $"{string.Join("  ", parts)}  ({Words.Span(elapsed.TotalSeconds)})";
    }
}
