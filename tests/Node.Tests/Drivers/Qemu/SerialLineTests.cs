using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>The supervisor's end of the serial line, with a shell in QEMU's place: descriptor 4 is the guest's line.</summary>
public sealed class SerialLineTests : IAsyncDisposable
{
    private const int Limit = 256 << 10;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TestRoot _root = new();
    private readonly Id<Instance> _id = Id<Instance>.New();

    private string Log => $"{_root.Path}/serial.log";

    public async ValueTask DisposeAsync()
    {
        if (await QemuProcess.FindAsync(_root.Path, TimeProvider.System) is { } process)
        {
            process.Kill();
            await process.SettleAsync(TimeProvider.System);
        }

        await _root.DisposeAsync();
    }

    [Fact]
    public async Task A_reader_that_stops_reading_holds_up_neither_the_guest_nor_other_readers()
    {
        const int much = 20_000_000;
        await LaunchAsync($"read go <&4; head -c {much} /dev/zero | tr '\\0' x >&4; echo the end >&4; read more <&4");
        await using var slow = await OpenAsync();
        await using var one = await OpenAsync();
        await slow.ReadAsync();
        await one.ReadAsync();

        await one.TypeAsync("go\n");
        await one.WaitForAsync("the end\n");
        (one.End, one.Seen.Length + one.Missed).ShouldBe((much + 8, much + 8));

        // What it did not read in time is told as a hole; the newest is there.
        await slow.WaitForAsync("the end\n");
        slow.Missed.ShouldBeGreaterThan(much / 2);
        (slow.Seen.Length + slow.Missed).ShouldBe(much + 8);
    }

    [Fact]
    public async Task Readers_that_keep_up_get_every_byte_as_it_was()
    {
        await LaunchAsync("read go <&4; i=0; while [ $i -lt 64 ]; do for n in 0 1 2 3; do printf '\\000\\377\\033[6n\\r\\n%s' $n; done; i=$((i+1)); done >&4; echo the end >&4; read more <&4");
        await using var one = await OpenAsync();
        await using var two = await OpenAsync();
        await one.TypeAsync("go\n");
        await one.WaitForAsync("the end\n");
        await two.WaitForAsync("the end\n");

        one.Seen.ShouldBe(string.Concat(Enumerable.Repeat(string.Concat("0123".Select(n => $"\0\u00ff\u001b[6n\r\n{n}")), 64)) + "the end\n");
        two.Seen.ShouldBe(one.Seen);
        Encoding.Latin1.GetString(await File.ReadAllBytesAsync(Log)).ShouldBe(one.Seen);
    }

    [Fact]
    public async Task A_guest_that_reads_nothing_holds_up_nobody()
    {
        await LaunchAsync("until [ -e /proc/$$/cwd/nowhere ]; do echo tick >&4; sleep 0.1; done");
        await using var one = await OpenAsync();
        await using var two = await OpenAsync();
        using var enough = new CancellationTokenSource();
        var line = await LineAsync();
        var typing = Task.Run(async () =>
        {
            while (true)
            {
                await line.WriteAsync(new byte[4096], enough.Token);
            }
        });
        for (var i = 0; i < 10; i++)
        {
            await one.WaitForAsync("tick");
            await two.WaitForAsync("tick");
        }

        await enough.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => typing);
        await line.DisposeAsync();
        await one.WaitForAsync("tick");
    }

    [Fact]
    public async Task What_is_typed_before_hanging_up_still_arrives()
    {
        await LaunchAsync("read go <&4; head -c 300000 <&4 | wc -c >&4; read more <&4");
        var line = await LineAsync();
        await line.WriteAsync("go\n"u8.ToArray(), default);
        await line.WriteAsync(new byte[300_000], default).WaitAsync(Patience);
        await line.DisposeAsync();

        await using var after = await OpenAsync();
        await after.WaitForAsync("300000\n");
    }

    [Fact]
    public async Task One_reader_more_than_there_may_be_is_refused_and_a_place_becomes_free_again()
    {
        await LaunchAsync("read more <&4");
        var lines = new List<LineTypist>();
        for (var i = 0; i < Limits.ConsolesPerInstance; i++)
        {
            lines.Add(await OpenAsync());
        }

        (await Should.ThrowAsync<Refusal>(() => OpenAsync())).Code.ShouldBe("console.too_many");
        await lines[3].DisposeAsync();
        await using (await OpenAgainAsync())
        {
        }

        foreach (var line in lines)
        {
            await line.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_caller_that_says_something_else_than_hello_is_hung_up_on()
    {
        await LaunchAsync("read more <&4");
        using var odd = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        await odd.ConnectAsync(new UnixDomainSocketEndPoint($"{_root.Path}/tty.sock"));
        await odd.SendAsync(new byte[17]);

        (await odd.ReceiveAsync(new byte[10]).WaitAsync(Patience)).ShouldBe(0);
    }

    [Fact]
    public async Task The_log_stays_within_its_limit_with_the_right_times_after_it_was_cut()
    {
        // 40 lines of 10,000 bytes with a pause after each fifth: what is kept begins in the middle.
        await LaunchAsync("i=0; while [ $i -lt 40 ]; do printf '%s %s ' $i $(date +%s%6N); head -c 9980 /dev/zero | tr '\\0' x; echo; i=$((i+1)); [ $((i%5)) = 0 ] && sleep 0.05; done >&4; exit 0");
        await EndedAsync();

        Directory.GetFiles(_root.Path, "serial.log*").Where(f => !f.EndsWith(".times", StringComparison.Ordinal)).Sum(f => new FileInfo(f).Length).ShouldBeInRange(Limit / 2, Limit);
        var all = SerialLog.Read(Log, 1 << 20, timestamps: true);
        all.Truncated.ShouldBeTrue();
        var lines = all.Text.Split('\n')[1..^1];
        lines.Length.ShouldBeGreaterThan(12);
        lines[^1].Split(' ')[1].ShouldBe("39");
        foreach (var line in lines.Select(l => l.Split(' ')))
        {
            // Its time is when it came: after the shell looked at the clock for it, before the next look.
            var written = DateTimeOffset.UnixEpoch.AddMicroseconds(long.Parse(line[2], CultureInfo.InvariantCulture));
            DateTimeOffset.Parse(line[0], CultureInfo.InvariantCulture).ShouldBeGreaterThanOrEqualTo(written);
        }

        lines.Select(l => l.Split(' ')[0]).ShouldBeInOrder();
    }

    [Fact]
    public async Task Empty_lines_without_end_fill_no_disk_with_their_times()
    {
        await LaunchAsync("i=0; while [ $i -lt 9000 ]; do echo; i=$((i+1)); done >&4; echo the end >&4");
        await EndedAsync();

        Directory.GetFiles(_root.Path, "serial.log*.times").Sum(f => new FileInfo(f).Length).ShouldBeLessThanOrEqualTo((Limit / 2) + 96);
        SerialLog.Read(Log, 100).Text.ShouldEndWith("\nthe end\n");
    }

    [Fact]
    public async Task A_next_start_goes_on_behind_the_last_and_shows_its_end()
    {
        await LaunchAsync("echo first >&4");
        await EndedAsync();
        await LaunchAsync("echo second >&4; read more <&4");

        await using var reader = await OpenAsync();
        await reader.WaitForAsync("first\nsecond\n");
        (reader.Start, reader.End).ShouldBe((0, 13));
        SerialLog.Read(Log, 100, since: 6).ShouldBe(new("second\n", false, 6, 13));
    }

    [Fact]
    public async Task A_log_of_an_earlier_Gantry_is_gone_on_with_and_times_nobody_knows_are_not_invented()
    {
        await File.WriteAllTextAsync(Log, $"{new string('o', 400_000)}\nold\n");
        SerialLog.Read(Log, 4, timestamps: true).Text.ShouldBe("old\n");

        await LaunchAsync("echo new >&4");
        await EndedAsync();

        var kept = SerialLog.Read(Log, 8, timestamps: true);
        kept.Text.ShouldMatch(@"\Aold\n\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z new\n\z");
        kept.End.ShouldBe(400_009);
        Directory.GetFiles(_root.Path, "serial.log*").Sum(f => new FileInfo(f).Length).ShouldBeLessThan(Limit);
    }

    [Fact]
    public async Task Half_a_character_is_kept_for_the_next_look()
    {
        await LaunchAsync("printf 'a\\303' >&4; read go <&4; printf '\\251b\\n' >&4; read more <&4");
        await using var reader = await OpenAsync();
        await reader.WaitForAsync("a\u00c3");

        var first = SerialLog.Read(Log, 100);
        first.ShouldBe(new("a", false, 0, 1));
        await reader.TypeAsync("go\n");
        await reader.WaitForAsync("b\n");
        SerialLog.Read(Log, 100, since: first.End).ShouldBe(new("\u00e9b\n", false, 1, 5));
        SerialLog.Read(Log, 100, since: 3, timestamps: true).Text.ShouldBe("b\n");
    }

    private async Task LaunchAsync(string script) => await _root.Context.Shell.RunAsync(
        new LaunchCommand(_root.Context.Launcher, _root.Context.Uids.First, _root.Path, Log, $"{_root.Path}/qemu.log", ["/bin/sh", "-c", script]) { SerialBytes = Limit }
            .Within(TimeSpan.FromSeconds(30)),
        default);

    private async Task<ISerialLine> LineAsync() => await QemuSerialLine.ConnectAsync(_id, $"{_root.Path}/tty.sock", null, 16 << 10, TimeProvider.System, default);

    private async Task<LineTypist> OpenAsync() => new(await LineAsync(), Patience);

    /// <summary>The supervisor notices a moment later that a reader has gone.</summary>
    private async Task<LineTypist> OpenAgainAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (true)
        {
            try
            {
                return await OpenAsync();
            }
            catch (Refusal)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
            }
        }
    }

    private async Task EndedAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (!(await File.ReadAllTextAsync($"{_root.Path}/exit", deadline.Token)).EndsWith('\n'))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
        }
    }
}
