using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Gantry.Bench;

/// <summary>
/// libvirt's test driver with as many domains (https://libvirt.org/drvtest.html): a platform that only pretends, as our simulator.
/// It lives inside virsh, with neither a daemon nor a database nor HTTP between, and reads its XML at each start.
/// </summary>
internal sealed partial class LibvirtTest : IDisposable
{
    private const int Calls = 20;

    private readonly string _file = Path.GetTempFileName();
    private readonly string _one;

    public LibvirtTest(int domains)
    {
        _one = BenchDaemon.NameOf(domains / 2);
        var xml = new StringBuilder("<node>\n");
        for (var i = 0; i < domains; i++)
        {
            xml.Append(CultureInfo.InvariantCulture, $"<domain type='test'><name>{BenchDaemon.NameOf(i)}</name>")
                .Append("<memory>131072</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>\n");
        }

        File.WriteAllText(_file, xml.Append("</node>\n").ToString());
    }

    public double ListMilliseconds() => Run.Milliseconds("virsh", Arguments("list --all"));

    public double InfoMilliseconds() => Run.Milliseconds("virsh", Arguments($"dominfo {_one}"));

    /// <summary>What one further call costs in a virsh that is connected already, by virsh's own clock: of listing, of one domain.</summary>
    public (double List, double Info) InsideMilliseconds()
    {
        var list = Enumerable.Repeat("list --all", 1 + Calls);
        var info = Enumerable.Repeat($"dominfo {_one}", Calls);
        var times = Time().Matches(Run.Text("virsh", ["-t", .. Arguments(string.Join("; ", [.. list, .. info]))]))
            .Select(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)).ToList();
        return (Statistics.Percentile(times.Skip(1).Take(Calls), 50), Statistics.Percentile(times.Skip(1 + Calls), 50));
    }

    public void Dispose() => File.Delete(_file);

    private string[] Arguments(string commands) => ["-q", "-c", $"test://{_file}", commands];

    [GeneratedRegex(@"\(Time: ([\d.]+) ms\)")]
    private static partial Regex Time();
}
