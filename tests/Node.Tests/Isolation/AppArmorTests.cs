using Gantry.Node.Host;
using Gantry.Node.Isolation;

namespace Gantry.Node.Tests.Isolation;

public sealed class AppArmorTests : IAsyncDisposable
{
    private readonly TestRoot _root = new();

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    [Fact]
    public async Task The_profile_compiles_and_is_the_one_that_is_asked_for()
    {
        var profile = Profile();

        var names = await _root.Context.Shell.RunAsync(new("/usr/sbin/apparmor_parser", ["-N", "-Q", "-K", profile], TimeSpan.FromSeconds(30)), default);
        await _root.Context.Shell.RunAsync(new("/usr/sbin/apparmor_parser", ["-Q", "-K", profile], TimeSpan.FromMinutes(1)), default);

        names.Output.Trim().ShouldBe(AppArmor.Profile);
    }

    [Theory]
    [InlineData(null, null, "this host's kernel runs without AppArmor")]
    [InlineData("N\n", null, "this host's kernel runs without AppArmor")]
    [InlineData("Y\n", "docker-default (enforce)\ngantry-qemu-not (enforce)\n", "the profile gantry-qemu is not loaded")]
    [InlineData("Y\n", "docker-default (enforce)\ngantry-qemu (enforce)\n", null)]
    public void Whether_the_profile_can_be_taken_is_read_from_the_kernel(string? enabled, string? profiles, string? why)
    {
        foreach (var (file, text) in new[] { ("module/apparmor/parameters/enabled", enabled), ("kernel/security/apparmor/profiles", profiles) })
        {
            Directory.CreateDirectory(Path.GetDirectoryName($"{_root.Path}/sys/{file}")!);
            if (text is not null)
            {
                File.WriteAllText($"{_root.Path}/sys/{file}", text);
            }
        }

        AppArmor.WhyNot($"{_root.Path}/sys").ShouldBe(why);
    }

    [Fact]
    public async Task A_profile_that_cannot_be_taken_ends_the_start()
    {
        Assert.SkipWhen(AppArmor.WhyNot() is null, "This host has AppArmor and the profile.");
        var failed = await Should.ThrowAsync<CommandFailed>(() => new LaunchedProcess(_root, _root.Context.Uids.First).StartAsync(["--apparmor", AppArmor.Profile], ["/bin/true"]));

        failed.Errors.ShouldStartWith("the AppArmor profile gantry-qemu cannot be taken: ");
    }

    private static string Profile()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists($"{folder}/Gantry.slnx"))
        {
            folder = Path.GetDirectoryName(folder)!;
        }

        return $"{folder}/deploy/apparmor/{AppArmor.Profile}";
    }
}
