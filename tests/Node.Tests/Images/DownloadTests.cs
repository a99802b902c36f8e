using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.Images;

public sealed class DownloadTests
{
    private const int Half = 200_000;

    private static readonly ImageSettings Hasty = ImageSettings.Default with { Patience = new(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(1), 3) };

    private static readonly byte[] One = Noise(1), Two = Noise(2);

    [Fact]
    public async Task A_download_that_breaks_off_goes_on_where_it_was()
    {
        await using var server = await FileServer.StartAsync(FileServer.File(One, breakAfter: Half), FileServer.File(One));

        var (sum, content, reported) = await FetchAsync(server, Hasty);

        content.ShouldBe(One);
        sum.ShouldBe(Convert.ToHexStringLower(SHA256.HashData(One)));
        server.Requests.Count.ShouldBe(2);
        var (range, ifRange) = server.Requests.Last();
        range.ShouldStartWith("bytes=");
        int.Parse(range["bytes=".Length..^1], System.Globalization.CultureInfo.InvariantCulture).ShouldBeInRange(1, Half);
        ifRange.ShouldBe("\"one\"");
        reported[^1].Bytes.ShouldBe(One.Length);
        reported[^1].TotalBytes.ShouldBe(One.Length);
    }

    [Fact]
    public async Task A_date_is_as_good_as_a_tag()
    {
        var modified = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
        await using var server = await FileServer.StartAsync(FileServer.File(One, etag: null, breakAfter: Half, modified: modified), FileServer.File(One, etag: null, modified: modified));

        (await FetchAsync(server, Hasty)).Content.ShouldBe(One);

        server.Requests.Last().Range.ShouldStartWith("bytes=");
    }

    [Theory]
    [InlineData("\"two\"")]
    [InlineData(null)]
    public async Task A_file_that_was_changed_meanwhile_is_fetched_anew(string? etag)
    {
        await using var server = await FileServer.StartAsync(FileServer.File(One, breakAfter: Half), FileServer.File(Two, etag));

        var (sum, content, _) = await FetchAsync(server, Hasty);

        content.ShouldBe(Two);
        sum.ShouldBe(Convert.ToHexStringLower(SHA256.HashData(Two)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("W/\"weak\"")]
    public async Task Without_a_strong_tag_nothing_is_pieced_together(string? etag)
    {
        await using var server = await FileServer.StartAsync(FileServer.File(One, etag, breakAfter: Half), FileServer.File(Two, etag));

        (await FetchAsync(server, Hasty)).Content.ShouldBe(Two);

        server.Requests.ShouldAllBe(r => r.Range == "");
    }

    [Fact]
    public async Task A_part_is_taken_up_by_the_next_daemon()
    {
        await using var server = await FileServer.StartAsync(FileServer.File(One, breakAfter: Half, hang: true), FileServer.File(One));
        await using var root = new TestRoot();
        using var daemon = new CancellationTokenSource();
        await Should.ThrowAsync<OperationCanceledException>(() => FetchAsync(server, ImageSettings.Default, root.Path, p => { if (p.Bytes >= Half) { daemon.Cancel(); } }, daemon.Token));

        (await FetchAsync(server, Hasty, root.Path, _ => { }, default)).ShouldBe(Convert.ToHexStringLower(SHA256.HashData(One)));

        server.Requests.Last().Range.ShouldBe($"bytes={Half}-");
        (await File.ReadAllBytesAsync($"{root.Path}/file")).ShouldBe(One);
        File.Exists(Download.StateOf($"{root.Path}/file")).ShouldBeFalse();
    }

    [Fact]
    public async Task A_server_that_breaks_off_again_and_again_is_given_up()
    {
        await using var server = await FileServer.StartAsync(FileServer.File(One, etag: null, breakAfter: Half));

        (await RefusedAsync(server, Hasty)).Code.ShouldBe("image.download_failed");
    }

    [Fact]
    public async Task A_server_that_goes_silent_is_given_up()
    {
        await using var server = await FileServer.StartAsync(FileServer.File(One, breakAfter: 0, hang: true));

        (await RefusedAsync(server, Hasty with { Patience = Hasty.Patience with { Silence = TimeSpan.FromMilliseconds(200) } })).Code.ShouldBe("image.download_stalled");
        server.Requests.Count.ShouldBe(3);
    }

    [Fact]
    public async Task A_body_without_end_stops_at_the_limit()
    {
        await using var server = await FileServer.StartAsync(FileServer.Endless);

        (await RefusedAsync(server, Hasty with { MaxBytes = 5 << 20 })).Code.ShouldBe("image.too_large");
    }

    [Fact]
    public async Task A_file_larger_than_allowed_is_not_begun()
    {
        await using var server = await FileServer.StartAsync(FileServer.File(One, breakAfter: 0, hang: true));

        (await RefusedAsync(server, Hasty with { MaxBytes = One.Length - 1 })).Code.ShouldBe("image.too_large");
    }

    [Fact]
    public async Task Trouble_that_passes_is_tried_again_and_trouble_that_stays_is_not()
    {
        await using var passing = await FileServer.StartAsync(FileServer.Status(503), FileServer.Status(429), FileServer.File(One));
        (await FetchAsync(passing, Hasty)).Content.ShouldBe(One);

        await using var missing = await FileServer.StartAsync(FileServer.Status(404));
        var refusal = await RefusedAsync(missing, Hasty);
        refusal.Code.ShouldBe("image.download_failed");
        refusal.Message.ShouldContain("404");
        missing.Requests.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("/again", "image.download_failed")]
    [InlineData("http://169.254.169.254/latest/meta-data/", "image.address_refused")]
    [InlineData("http://[::ffff:169.254.169.254]/", "image.address_refused")]
    [InlineData("http://[fe80::1]/", "image.address_refused")]
    [InlineData("file:///etc/passwd", "image.url_refused")]
    [InlineData("ftp://127.0.0.1/", "image.url_refused")]
    public async Task A_redirect_leads_no_further_than_an_address_may(string to, string code)
    {
        await using var server = await FileServer.StartAsync(FileServer.Redirect(to));

        (await RefusedAsync(server, Hasty)).Code.ShouldBe(code);
    }

    [Fact]
    public async Task A_redirect_to_the_file_is_followed()
    {
        await using var file = await FileServer.StartAsync(FileServer.File(One));
        await using var server = await FileServer.StartAsync(FileServer.Redirect(file.Url.ToString()));

        (await FetchAsync(server, Hasty)).Content.ShouldBe(One);
    }

    [Theory]
    [InlineData("169.254.0.1", true)]
    [InlineData("::ffff:169.254.169.254", true)]
    [InlineData("fe80::1", true)]
    [InlineData("fd00:ec2::254", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("10.0.0.1", false)]
    [InlineData("169.253.255.255", false)]
    [InlineData("2001:db8::1", false)]
    public void Link_local_addresses_are_known(string address, bool linkLocal) => DownloadAddress.IsLinkLocal(System.Net.IPAddress.Parse(address)).ShouldBe(linkLocal);

    [Theory]
    [InlineData("http://169.254.169.254/x", "image.address_refused")]
    [InlineData("http://user:word@127.0.0.1/x", "image.url_refused")]
    [InlineData("/etc/passwd", "image.url_refused")]
    [InlineData("gopher://127.0.0.1/", "image.url_refused")]
    public async Task An_address_is_looked_at_before_anything_is_asked(string url, string code)
    {
        await using var rig = new ImportRig();

        Should.Throw<Refusal>(() => rig.Node.KeepImageAddress(rig.Id, url)).Code.ShouldBe(code);
    }

    [Fact]
    public async Task A_link_local_address_may_be_allowed() =>
        DownloadAddress.Demand("http://169.254.169.254/disk", linkLocal: true).Host.ShouldBe("169.254.169.254");

    [Fact]
    public async Task What_is_fetched_becomes_an_image_and_its_address_is_shown_without_its_secret()
    {
        await using var rig = new ImportRig(Hasty);
        await using var server = await FileServer.StartAsync(FileServer.File(MadeDisks.Content(), breakAfter: Half), FileServer.File(MadeDisks.Content()));

        rig.Node.KeepImageAddress(rig.Id, server.Url.ToString()).ShouldBe($"{server.Url.GetLeftPart(UriPartial.Path)}");
        var files = await rig.ImportAsync(ImportRig.Plan(null, sha256: Convert.ToHexString(SHA256.HashData(MadeDisks.Content()))));

        files.DiskBytes.ShouldBe(MadeDisks.Bytes);
        (await MadeDisks.ReadAsync(rig.Disk, rig.Folder)).ShouldBe(MadeDisks.Content());
    }

    [Fact]
    public async Task What_is_fetched_with_another_sum_is_refused()
    {
        await using var rig = new ImportRig(Hasty);
        await using var server = await FileServer.StartAsync(FileServer.File(One));
        rig.Node.KeepImageAddress(rig.Id, server.Url.ToString());

        (await rig.RefusedAsync(ImportRig.Plan(null, sha256: Convert.ToHexString(SHA256.HashData(Two))))).Code.ShouldBe("image.sha256_mismatch");
    }

    private static byte[] Noise(int seed)
    {
        var bytes = new byte[2 * Half];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static async Task<(string Sum, byte[] Content, List<Progress> Reported)> FetchAsync(FileServer server, ImageSettings settings)
    {
        await using var root = new TestRoot();
        var reported = new List<Progress>();
        var sum = await FetchAsync(server, settings, root.Path, reported.Add, default);
        return (sum, await File.ReadAllBytesAsync($"{root.Path}/file"), reported);
    }

    private static async Task<string> FetchAsync(FileServer server, ImageSettings settings, string folder, Action<Progress> report, CancellationToken ct)
    {
        using var http = DownloadAddress.Client(settings.LinkLocal);
        return await new Download(http, settings, TimeProvider.System).FetchAsync(server.Url, $"{folder}/file", report, ct);
    }

    private static Task<Refusal> RefusedAsync(FileServer server, ImageSettings settings) => Should.ThrowAsync<Refusal>(() => FetchAsync(server, settings));
}
