namespace Gantry.Repo.Tests;

/// <summary>A file that holds what is so on purpose. <c>GANTRY_UPDATE_GOLDEN=1 ./dev test Repo</c> writes it anew; the diff is then for the review.</summary>
internal static class Golden
{
    public static void ShouldMatch(string path, string actual)
    {
        var file = Repository.PathOf(path);
        var text = actual.ReplaceLineEndings("\n").TrimEnd('\n') + "\n";
        if (Environment.GetEnvironmentVariable("GANTRY_UPDATE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, text);
            return;
        }

        (File.Exists(file) ? File.ReadAllText(file) : "").ShouldBe(text, $"{path} no longer says what is so. If the change is meant: GANTRY_UPDATE_GOLDEN=1 ./dev test Repo");
    }
}
