using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Networks;

public sealed class DefaultNetworkTests(TestPostgres postgres)
{
    [Fact]
    public async Task There_is_a_default_network_from_the_first_start_on_and_who_deletes_it_does_not_get_it_back()
    {
        await using var daemon = new RunningDaemon(postgres) { Settings = ["networks.default=default"] };
        await daemon.InitializeAsync();
        await Eventually.ShouldBeAsync(async () => string.Join(' ', (await daemon.Api.ListNetworksAsync()).Items.Select(n => n.Name)), "default");

        await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(RunningDaemon.A("on-it") with { Nics = [new() { Name = "eth0" }] }, 60));
        var nic = (await daemon.Api.GetInstanceAsync("on-it")).Nics!.Single();
        (nic.Network, nic.Address).ShouldBe(("default", (await daemon.Api.ListAddressesAsync("default")).Items.Single().Ipv4));

        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("on-it", force: true, 60));
        await RunningDaemon.DoneAsync(daemon.Api.DeleteNetworkAsync("default", 60));
        await daemon.RestartAsync();
        await daemon.Services.GetRequiredService<Gantry.Daemon.Networks.NetworkKeeper>().Settled.WaitAsync(TimeSpan.FromMinutes(1));
        (await daemon.Api.ListNetworksAsync()).Items.ShouldBeEmpty();
    }
}
