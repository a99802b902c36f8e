using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Instances;

/// <summary>What the answers for Windows' setup must keep to: what Windows itself would refuse in the middle of it.</summary>
internal static partial class WindowsRules
{
    private static readonly string[] AccountsOfWindows = ["administrator", "guest", "defaultaccount", "wdagutilityaccount", "system", "none", "local service", "network service"];

    public static IEnumerable<Fault> Faults(WindowsSetup? windows)
    {
        if (windows is null)
        {
            yield break;
        }

        if (windows.ComputerName is { } computer && (!ComputerName().IsMatch(computer) || computer.All(char.IsAsciiDigit)))
        {
            yield return new("$.windows.computerName", "a computer's name has 1 to 15 of A-Z, a-z, 0-9 and '-', not at either end a '-', and not digits alone");
        }

        if (windows.Locale is { } locale && !Locale().IsMatch(locale))
        {
            yield return new("$.windows.locale", "it is no language and region such as en-US");
        }

        if (windows.ProductKey is { } key && !ProductKey().IsMatch(key))
        {
            yield return new("$.windows.productKey", "a product key is five groups of five of A-Z and 0-9 with '-' between them"); // never the value: it is worth money
        }

        if (windows.AccountName is { } account && (!AccountName().IsMatch(account) || AccountsOfWindows.Contains(account.ToLowerInvariant())))
        {
            yield return new("$.windows.accountName", "an account's name has 1 to 20 letters, digits, '-', '_' and '.', begins with a letter or digit, does not end with '.', and is none that Windows has itself");
        }

        foreach (var (name, value) in ((string, string?)[])[("timeZone", windows.TimeZone), ("edition", windows.Edition), ("organization", windows.Organization)])
        {
            foreach (var fault in TextRules.Text($"$.windows.{name}", value, Limits.WindowsTextLength))
            {
                yield return fault;
            }

            if (value?.Length == 0 || value?.Any(c => char.IsSurrogate(c) || c is '\uFFFE' or '\uFFFF') == true)
            {
                yield return new($"$.windows.{name}", value.Length == 0 ? "it is empty; leave it out" : "it has a character that an answer file cannot hold");
            }
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?\z")]
    private static partial Regex ComputerName();

    [GeneratedRegex(@"\A[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z]{2}\z")]
    private static partial Regex Locale();

    [GeneratedRegex(@"\A([A-Z0-9]{5}-){4}[A-Z0-9]{5}\z")]
    private static partial Regex ProductKey();

    [GeneratedRegex(@"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,18}[A-Za-z0-9_-])?\z")]
    private static partial Regex AccountName();
}
