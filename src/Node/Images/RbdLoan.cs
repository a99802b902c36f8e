using System.Globalization;

namespace Gantry.Node.Images;

/// <summary>Lets a confined tool open images in Ceph, for as long as it runs: each key in a file that only the tool's own user can read, in the run folder.</summary>
internal sealed class RbdLoan : IDisposable
{
    private const UnixFileMode PassThrough = (UnixFileMode)0b111_001_001;

    private readonly List<string> _lent = [];

    /// <summary>For the tool, behind its command.</summary>
    public IReadOnlyList<string> Options { get; private set; } = [];

    /// <summary>It opens any.</summary>
    public bool IsAny => _lent.Count > 0;

    /// <param name="uid">The tool's.</param>
    public static RbdLoan Of(int uid, IEnumerable<DiskFile> files)
    {
        var loan = new RbdLoan();
        try
        {
            var options = new List<string>();
            foreach (var image in files.Select(f => f.Image).OfType<RbdImage>().DistinctBy(i => i.Secret))
            {
                var path = string.Create(CultureInfo.InvariantCulture, $"{image.Keys}/{uid}.{image.Secret}");
                Directory.CreateDirectory(image.Keys);
                File.SetUnixFileMode(image.Keys, PassThrough);
                loan._lent.Add(path);
                image.WriteKey(path, uid);
                options.AddRange(["--object", $"secret,id={image.Secret},format=base64,file={path}"]);
            }

            loan.Options = options;
            return loan;
        }
        catch
        {
            loan.Dispose();
            throw;
        }
    }

    /// <summary>Removes what a daemon that was killed has left; its tools ended with it.</summary>
    /// <param name="keys">As <see cref="RbdImage.Keys"/>.</param>
    public static void Sweep(string keys)
    {
        if (Directory.Exists(keys))
        {
            Directory.Delete(keys, recursive: true);
        }
    }

    public void Dispose()
    {
        foreach (var path in _lent)
        {
            File.Delete(path);
        }
    }
}
