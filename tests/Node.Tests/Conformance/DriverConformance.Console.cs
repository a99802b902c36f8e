using Gantry.Contracts;
using Gantry.Node.Drivers;

namespace Gantry.Node.Tests.Conformance;

public abstract partial class DriverConformance
{
    /// <summary>What is typed at a guest that is up, and what it writes then.</summary>
    protected abstract (string Typed, string Answered) Talk { get; }

    [Fact]
    public async Task Readers_of_the_serial_line_see_the_same_and_each_of_them_types()
    {
        var id = await GivenAsync(Boot);
        (await Should.ThrowAsync<Refusal>(() => OpenAsync(id))).Code.ShouldBe("instance.not_running");
        await _driver.StartAsync(id, default);

        await using (var one = await OpenAsync(id))
        {
            await one.WaitForAsync(UpText);
            await using var other = await OpenAsync(id);
            await one.TypeAsync(Talk.Typed);
            await one.WaitForAsync(Talk.Answered);
            await other.WaitForAsync(Talk.Answered);
            await other.TypeAsync(Talk.Typed);
            await one.WaitForAsync(Talk.Answered);
            await other.WaitForAsync(Talk.Answered);

            // The later one saw what the first saw, be it from the tail.
            var from = Math.Max(one.Start!.Value, other.Start!.Value);
            var length = (int)(Math.Min(one.End, other.End) - from);
            one.Seen.Substring((int)(from - one.Start.Value), length).ShouldBe(other.Seen.Substring((int)(from - other.Start.Value), length));
            (one.Missed, other.Missed).ShouldBe((0, 0));

            await _driver.StopAsync(id, StopMode.PowerOff, TimeSpan.Zero, default);
            await one.UntilEndAsync();
            await other.UntilEndAsync();
        }

        (await Should.ThrowAsync<Refusal>(() => OpenAsync(id))).Code.ShouldBe("instance.not_running");
    }

    [Fact]
    public async Task A_reader_goes_on_where_it_was_when_the_driver_is_a_new_one()
    {
        var id = await GivenAsync(Boot);
        await _driver.StartAsync(id, default);
        long end;
        await using (var before = await OpenAsync(id))
        {
            await before.WaitForAsync(UpText);
            await before.TypeAsync(Talk.Typed);
            await before.WaitForAsync(Talk.Answered);
            end = before.End;
        }

        await RestartDriverAsync();
        await _driver.RecoverAsync(id, default);

        await using var after = await OpenAsync(id, since: end);
        await after.TypeAsync(Talk.Typed);
        await after.WaitForAsync(Talk.Answered);
        (after.Start, after.Missed).ShouldBe((end, 0));
        await using var nothing = await OpenAsync(id, tail: 0);
        (await nothing.ReadAsync()).ShouldBeTrue();
        (nothing.Start, nothing.Seen).ShouldBe((nothing.End, ""));
    }

    [Fact]
    public async Task Each_line_kept_has_the_time_at_which_it_began()
    {
        var log = (ISerialLog)_driver;
        var id = await GivenAsync(Boot);
        var before = TimeProvider.System.GetUtcNow();
        await _driver.StartAsync(id, default);
        await UntilItIsUpAsync(id);
        var after = TimeProvider.System.GetUtcNow();

        var plain = await log.ReadSerialAsync(id, 1 << 20, default);
        var stamped = await log.ReadSerialAsync(id, 1 << 20, default, timestamps: true);
        var line = stamped.Text.Split('\n').Single(l => l.Contains(UpText, StringComparison.Ordinal));
        var time = DateTimeOffset.Parse(line.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);

        time.ShouldBeInRange(before.AddMilliseconds(-1), after);
        line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..].TrimEnd('\r').ShouldBe(plain.Text.Split('\n').Single(l => l.Contains(UpText, StringComparison.Ordinal)).TrimEnd('\r'));
        var rest = await log.ReadSerialAsync(id, 1 << 20, default, since: plain.End - 5);
        (rest.Text[..5], rest.Start, rest.Truncated).ShouldBe((plain.Text[^5..], plain.End - 5, false));
    }

    private async Task<LineTypist> OpenAsync(Id<Instance> id, long? since = null, int tail = 16 << 10) =>
        new(await ((ISerialConsole)_driver).OpenSerialAsync(id, since, tail, default), Patience);
}
