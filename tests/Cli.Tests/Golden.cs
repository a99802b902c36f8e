using System.Runtime.CompilerServices;

namespace Gantry.Cli.Tests;

/// <summary>Output kept in Golden/*.txt. After a wanted change: GANTRY_UPDATE_GOLDEN=1, and read the difference before committing it.</summary>
internal static class Golden
{
    public static void Matches(string name, string text, [CallerFilePath] string here = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(here)!, "Golden", name + ".txt");
        if (Environment.GetEnvironmentVariable("GANTRY_UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(path, text);
        }

        File.Exists(path).ShouldBeTrue($"{path} is missing; run with GANTRY_UPDATE_GOLDEN=1 and read it.");
        text.ShouldBe(File.ReadAllText(path), $"{path}: run with GANTRY_UPDATE_GOLDEN=1 if the change is wanted.");
    }
}
