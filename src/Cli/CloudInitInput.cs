using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>The everyday part of cloud-init as options. A password comes by standard input alone: arguments are seen by every process.</summary>
internal sealed class CloudInitInput
{
    private readonly Option<string> _file = Choose.Text("--cloud-init", "User-data for cloud-init in the guest; - reads standard input.", "FILE");
    private readonly Option<string> _user = Choose.Text("--user", "A user that cloud-init makes in the guest, who may become root.", "NAME");
    private readonly Option<string[]> _keys = new("--ssh-key") { HelpName = "FILE" };
    private readonly Option<string> _hostname = Choose.Text("--hostname", "The guest's host name. Default: the instance's name.", "NAME");
    private readonly Option<bool> _password = Choose.Flag("--password-stdin", "Read the password of --user from standard input.");

    public CloudInitInput() => _keys.Description = "Public SSH keys that let in as --user, or without it as the image's own user. May be given several times.";

    public Symbol[] Options => [_file, _user, _keys, _hostname, _password];

    /// <summary>Whether more than one of them, or of others, is to come by standard input.</summary>
    /// <param name="other">A file of the same command.</param>
    /// <exception cref="WrongUseException"/>
    public void DemandOneReader(ParseResult parsed, string? other)
    {
        if (new[] { parsed.GetValue(_file) == "-", parsed.GetValue(_password), other == "-" }.Count(reads => reads) > 1)
        {
            throw new WrongUseException("Only one thing can come by standard input.", "Put the others into files.");
        }
    }

    /// <summary>Null when none is given.</summary>
    /// <exception cref="WrongUseException"/>
    public async Task<CloudInit?> ReadAsync(ParseResult parsed, Session session, CancellationToken ct)
    {
        var (file, user, hostname, asked) = (parsed.GetValue(_file), parsed.GetValue(_user), parsed.GetValue(_hostname), parsed.GetValue(_password));
        if (asked && user is null)
        {
            throw new WrongUseException("--password-stdin needs --user.", "Name whose password it is.");
        }

        var keys = await KeysAsync(parsed.GetValue(_keys) ?? [], ct);
        return (file ?? user ?? hostname ?? (object?)keys) is null ? null : new()
        {
            UserData = file is null ? null : await TextAsync(session, file, ct),
            Hostname = hostname,
            Users = user is null ? null :
            [
                new() { Name = user, Password = asked ? (await TextAsync(session, "-", ct)).TrimEnd('\n', '\r') : null, SshKeys = keys, Sudo = true, Shell = "/bin/bash" },
            ],
            SshKeys = user is null ? keys : null,
        };
    }

    private static async Task<IReadOnlyList<string>?> KeysAsync(string[] files, CancellationToken ct)
    {
        var keys = new List<string>();
        foreach (var file in files)
        {
            var lines = (await File.ReadAllLinesAsync(file, ct)).Select(l => l.Trim()).Where(l => l.Length > 0 && l[0] != '#').ToList();
            keys.AddRange(lines switch
            {
                [] => throw new WrongUseException($"There is no key in {file}.", "Name a file with public keys, such as ~/.ssh/id_ed25519.pub."),
                _ when lines.Any(l => l.Contains("PRIVATE KEY", StringComparison.Ordinal)) => throw new WrongUseException($"{file} is a private key, which stays where it is.", $"Name the public one beside it: {file}.pub."),
                _ => lines,
            });
        }

        return keys.Count == 0 ? null : keys;
    }

    private static async Task<string> TextAsync(Session session, string file, CancellationToken ct)
    {
        if (file != "-")
        {
            return await File.ReadAllTextAsync(file, ct);
        }

        using var reader = new StreamReader(session.Terminal.In, leaveOpen: true);
        return await reader.ReadToEndAsync(ct);
    }
}
