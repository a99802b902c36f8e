using System.Text;

namespace Gantry.Node.Images;

/// <summary>The modules of an unpacked kernel package. It has no modules.dep yet (depmod writes that when it is installed), so the modules are asked themselves.</summary>
internal sealed class KernelModules(string folder)
{
    private readonly Dictionary<string, string> _paths = Directory
        .EnumerateFiles(folder, "*.ko", SearchOption.AllDirectories)
        .ToDictionary(p => Name(Path.GetFileNameWithoutExtension(p)), StringComparer.Ordinal);

    /// <summary>The files of these modules and of all they need, each behind what it needs. One that is built into the kernel is left out.</summary>
    public IReadOnlyList<string> InOrder(IEnumerable<string> names)
    {
        var order = new List<string>();
        void Visit(string name)
        {
            if (_paths.TryGetValue(Name(name), out var path) && !order.Contains(path))
            {
                foreach (var needed in Needs(File.ReadAllBytes(path)))
                {
                    Visit(needed);
                }

                order.Add(path);
            }
        }

        foreach (var name in names)
        {
            Visit(name);
        }

        return order;
    }

    /// <summary>The entry <c>depends=a,b</c> of a module's .modinfo section, a list of zero-terminated texts.</summary>
    private static string[] Needs(ReadOnlySpan<byte> module)
    {
        var start = module.IndexOf("\0depends="u8);
        var list = start < 0 ? [] : module[(start + 9)..];
        return Encoding.ASCII.GetString(list[..Math.Max(0, list.IndexOf((byte)0))]).Split(',', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>The kernel means the same by '-' and '_'.</summary>
    private static string Name(string name) => name.Replace('-', '_');
}
