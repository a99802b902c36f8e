using System.Globalization;
using System.Text;

namespace Gantry.Bench;

/// <summary>
/// libvirt's test driver with as many domains (https://libvirt.org/drvtest.html): a platform that only pretends, as our simulator.
/// It lives inside virsh, with neither a daemon nor a database nor HTTP between, and reads its XML at each start.
/// </summary>
internal sealed class LibvirtTest : IDisposable
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

    public double ListMilliseconds() => Virsh("list --all");

    public double InfoMilliseconds() => Virsh($"dominfo {_one}");

    public double ListInsideMilliseconds() => Inside("list --all");

    public double InfoInsideMilliseconds() => Inside($"dominfo {_one}");

    public void Dispose() => File.Delete(_file);

    /// <summary>What one further call costs in a virsh that runs already.</summary>
    private double Inside(string command) =>
        Math.Max(0, (Virsh(string.Join("; ", Enumerable.Repeat(command, 1 + Calls))) - Virsh(command)) / Calls);

    private double Virsh(string commands) => Run.Milliseconds("virsh", ["-q", "-c", $"test://{_file}", commands]);
}
