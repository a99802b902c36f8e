using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>Limits of NICs. How long a transfer takes is only held against what it cannot be faster than, so a busy machine changes nothing.</summary>
public sealed class NicLimitTests(TestImages images) : IAsyncLifetime
{
    private const string Mac = "52:54:00:77:00:01";
    private const int Transfer = 4_000_000;
    private const int Limit = 1_000_000;

    // What may go at once is not held back.
    private static readonly TimeSpan AtLeast = TimeSpan.FromSeconds(3.5);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private NicNetwork _network = null!;
    private LocalNode _node = null!;

    public async ValueTask InitializeAsync()
    {
        _network = await NicNetwork.MakeAsync();
        _node = new(_network.Root.Context);
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _network.DisposeAsync();
    }

    [Fact]
    public async Task Both_directions_are_limited_from_the_start_and_changed_while_it_runs()
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        var id = Id<Instance>.New();
        await File.WriteAllBytesAsync($"{_network.Root.Path}/payload", new byte[Transfer]);
        _network.Serve("busybox", "nc", "-ll", "-p", "7000", "-e", "/bin/cat", $"{_network.Root.Path}/payload");
        _network.Serve("busybox", "nc", "-ll", "-p", "7001", "-e", "/usr/bin/wc", "-c");
        await _node.DefineAsync(new(
            id, "guest", InstanceKind.Microvm, "qemu", 1, 128 * Limits.MiB, Firmware.Direct, images.Kernel, images.Initrd, $"quiet gantry.nic={Mac},10.77.0.5/24,,", 0)
        {
            Nics = [new("eth0", Mac, null, net, new() { ReceiveBytesPerSecond = Limit, SendBytesPerSecond = Limit })],
        }, default);
        await _node.StartAsync(id, default);
        await using var guest = new LineTypist(await _node.OpenSerialAsync(id, 0, 0, default), Patience);
        await guest.WaitForAsync("micro is up");
        await _network.PingAsync("10.77.0.5");
        (await RatesAsync(id)).ShouldBe((Limit, Limit));

        (await TimeAsync(guest, "nc 10.77.0.1 7000 </dev/null | wc -c", Transfer)).ShouldBeGreaterThan(AtLeast);
        (await TimeAsync(guest, $"{Zeros(Transfer)} | nc 10.77.0.1 7001", Transfer)).ShouldBeGreaterThan(AtLeast);

        (await _node.LimitNicAsync(id, "eth0", new() { SendBytesPerSecond = 2 * Limit }, default)).ShouldBe(new NicChange());
        (await RatesAsync(id)).ShouldBe((null, 2 * Limit));
        await TimeAsync(guest, "nc 10.77.0.1 7000 </dev/null | wc -c", Transfer);
        (await TimeAsync(guest, $"{Zeros(2 * Transfer)} | nc 10.77.0.1 7001", 2 * Transfer)).ShouldBeGreaterThan(AtLeast);

        (await _node.LimitNicAsync(id, "eth0", new() { ReceiveBytesPerSecond = 2 * Limit }, default)).ShouldBe(new NicChange());
        (await RatesAsync(id)).ShouldBe((2 * Limit, null));
        (await _network.DevicesAsync()).ShouldBe([NetworkNames.Tap(id, "eth0")]);
        // What does not fit in the queue any more is dropped, and told.
        (await _node.LimitNicAsync(id, "eth0", new() { SendBytesPerSecond = 1000 }, default)).ShouldBe(new NicChange());
        var before = (await _node.NicStatisticsAsync(id, default)).Single().SentDropped;
        await guest.AskAsync("ping -c 20 -i 0.01 -W 1 -s 60000 10.77.0.1 | tail -n 2");
        (await _node.NicStatisticsAsync(id, default)).Single().SentDropped.ShouldBeGreaterThan(before);

        (await _node.LimitNicAsync(id, "eth0", null, default)).ShouldBe(new NicChange());
        (await RatesAsync(id)).ShouldBe((null, null));
        await TimeAsync(guest, $"{Zeros(Transfer)} | nc 10.77.0.1 7001", Transfer);
        (await Should.ThrowAsync<Refusal>(() => _node.LimitNicAsync(id, "eth7", null, default))).Code.ShouldBe("nic.unknown");

        await _node.StopAsync(id, default);
        (await _network.DevicesAsync()).ShouldBeEmpty();
        (await _node.LimitNicAsync(id, "eth0", new() { SendBytesPerSecond = Limit }, default)).ShouldBeNull();
        (await _network.DevicesAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1_000)]
    [InlineData(125_000_000_000)]
    [InlineData(1_000_000_000_000)]
    public async Task Any_limit_is_one_the_kernel_takes(long bytesPerSecond)
    {
        var net = await _network.GivenNetworkAsync("10.77.0.1/24");
        var id = Id<Instance>.New();
        Directory.CreateDirectory(_network.Root.Context.Folders.Run(id));
        var taps = new Taps(_network.Root.Context);

        await taps.MakeAsync(id, [new("eth0", Mac, null, net, new() { ReceiveBytesPerSecond = bytesPerSecond, SendBytesPerSecond = bytesPerSecond })], default);

        (await RatesAsync(id)).ShouldBe((bytesPerSecond, bytesPerSecond));
        await taps.RemoveAsync(id);
        (await _network.DevicesAsync()).ShouldBeEmpty();
    }

    /// <summary>Bytes a second to and from the guest, as the kernel has them.</summary>
    private async Task<(long? Receive, long? Send)> RatesAsync(Id<Instance> id)
    {
        using var all = JsonDocument.Parse(await _network.RunAsync("tc", "-json", "qdisc", "show"));
        var rates = all.RootElement.EnumerateArray().Where(q => q.GetProperty("kind").GetString() == "tbf")
            .ToDictionary(q => q.GetProperty("dev").GetString()!, q => q.GetProperty("options").GetProperty("rate").GetInt64());
        var redirected = (await _network.RunAsync("tc", "filter", "show", "dev", NetworkNames.Tap(id, "eth0"), "ingress")).Contains($"Redirect to device {NetworkNames.Ifb(id, "eth0")}", StringComparison.Ordinal);
        rates.ContainsKey(NetworkNames.Ifb(id, "eth0")).ShouldBe(redirected);
        return (Of(NetworkNames.Tap(id, "eth0")), Of(NetworkNames.Ifb(id, "eth0")));

        long? Of(string device) => rates.TryGetValue(device, out var rate) ? rate : null;
    }

    private static string Zeros(int bytes) => string.Create(CultureInfo.InvariantCulture, $"dd if=/dev/zero bs=100000 count={bytes / 100_000} 2>/dev/null");

    /// <summary>How long the guest takes for a transfer that is counted at its end.</summary>
    private static async Task<TimeSpan> TimeAsync(LineTypist guest, string command, int bytes)
    {
        var began = TimeProvider.System.GetTimestamp();
        (await guest.AskAsync(command)).ShouldBe([bytes.ToString(CultureInfo.InvariantCulture)]);
        return TimeProvider.System.GetElapsedTime(began);
    }
}
