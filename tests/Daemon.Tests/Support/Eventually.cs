namespace Gantry.Daemon.Tests.Support;

/// <summary>For what no event tells: asks again until it is so, for at most a minute.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public static async Task ShouldBeAsync<T>(Func<Task<T>> ask, T wanted)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var found = await ask();
            if (EqualityComparer<T>.Default.Equals(found, wanted) || TimeProvider.System.GetElapsedTime(began) > Patience)
            {
                found.ShouldBe(wanted);
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, CancellationToken.None);
        }
    }
}
