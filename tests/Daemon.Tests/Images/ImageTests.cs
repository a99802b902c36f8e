using Gantry.Contracts;
using Gantry.Daemon.Images;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Images;

public sealed class ImageTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Theory]
    [InlineData("""{"recipe":"nope"}""", "image.recipe_unknown")]
    [InlineData("""{"recipe":"micro","name":"Bad Name"}""", "request.invalid")]
    [InlineData("""{"recipe":"micro","name":"../up"}""", "request.invalid")]
    [InlineData("""{}""", "request.invalid")]
    [InlineData("""{"recipe":null}""", "request.invalid")]
    public async Task An_image_that_cannot_be_built_is_refused(string json, string code)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/images:build", json);

        (status, problem!.Code).ShouldBe((422, code));
        (await daemon.Api.ListImagesAsync()).Items.ShouldNotContain(i => i.Name == "micro");
    }

    [Fact]
    public async Task An_image_in_use_is_not_deleted()
    {
        var image = Id<Image>.New();
        var store = daemon.Services.GetRequiredService<ImageStore>();
        await daemon.Services.GetRequiredService<Platform.Db>().InTransactionAsync(tx => store.InsertAsync(tx, image, "used"), default);
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateInstanceAsync(RunningDaemon.A("early") with { Image = "used" }))).Code.ShouldBe("image.not_ready");
        await daemon.Services.GetRequiredService<Platform.Db>().InTransactionAsync(
            tx => store.PublishAsync(tx, image, new(1, new Dictionary<string, string>(), InstanceKind.Microvm, null, "")), default);
        Directory.CreateDirectory(Gantry.Node.Images.ImageFolders.Path(daemon.Node.Context.Root, image));
        Gantry.Node.Images.ImageFolders.Write(Gantry.Node.Images.ImageFolders.Path(daemon.Node.Context.Root, image), new(1, new Dictionary<string, string>(), InstanceKind.Microvm, null, ""));
        await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(RunningDaemon.A("user") with { Image = "used" }, 60));

        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.DeleteImageAsync("used", 60));
        (refusal.Code, refusal.Message).ShouldBe(("image.in_use", "The image 'used' is used by user."));
        var shown = await daemon.Api.GetImageAsync("used");
        shown.State.ShouldBe(ImageState.Ready);
        shown.UsedBy.ShouldBe(["user"]);

        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("user", force: false, 60));
        await RunningDaemon.DoneAsync(daemon.Api.DeleteImageAsync("used", 60));
        (await RunningDaemon.RefusedAsync(() => daemon.Api.GetImageAsync("used"))).Code.ShouldBe("image.unknown");
    }
}
