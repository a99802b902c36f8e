using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Gantry.Bench;

/// <summary>A command line of Gantry's without Gantry: sockets and files by their paths, nobody confined.</summary>
internal sealed record BareQemu(string Program, IReadOnlyList<string> Arguments, string Serial, string Kernel, string Initrd, string Append)
{
    /// <param name="start">The start.json of a running instance.</param>
    public static BareQemu Of(string start, string folder)
    {
        Directory.CreateDirectory(folder);
        using var json = JsonDocument.Parse(File.ReadAllBytes(start));
        var files = json.RootElement.GetProperty("files").EnumerateArray()
            .ToDictionary(f => string.Create(CultureInfo.InvariantCulture, $"/dev/fd/{f.GetProperty("number").GetInt32()}"), f => f.GetProperty("path").GetString()!);
        List<string> arguments =
        [
            .. json.RootElement.GetProperty("arguments").EnumerateArray().Select(a => a.GetString()!).Select(a =>
                a.StartsWith("socket,id=qmp,", StringComparison.Ordinal) ? $"socket,id=qmp,path={folder}/qmp.sock,server=on,wait=off"
                : a.StartsWith("socket,id=serial,", StringComparison.Ordinal) ? $"file,id=serial,path={folder}/serial"
                : files.GetValueOrDefault(a, a)),
        ];
        return new(json.RootElement.GetProperty("program").GetString()!, arguments, $"{folder}/serial", After("-kernel"), After("-initrd"), After("-append"));

        string After(string option) => arguments[arguments.IndexOf(option) + 1];
    }

    public Process Start()
    {
        File.Delete(Serial);
        return Run.Start(Program, Arguments);
    }
}
