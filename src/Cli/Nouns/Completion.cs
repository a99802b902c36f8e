using System.CommandLine;

namespace Gantry.Cli;

/// <summary>
/// <c>gantry completion SHELL</c> prints a script that asks the hidden <c>gantry complete -- WORDS</c> for candidates,
/// so a new command or option is completed without a new script.
/// </summary>
internal static class Completion
{
    private static readonly Dictionary<string, string> Scripts = new()
    {
        ["bash"] = """
            # gantry completion for bash: eval "$(gantry completion bash)"
            _gantry() {
                local line=${COMP_LINE:0:COMP_POINT} IFS=$'\n'
                local cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]:1:COMP_CWORD}")
                COMPREPLY=($(command "${COMP_WORDS[0]}" complete -- "${words[@]}" 2>/dev/null))
                if [ ${#COMPREPLY[@]} -eq 0 ]; then
                    compopt -o default 2>/dev/null
                fi
            }
            complete -F _gantry gantry

            """,
        ["zsh"] = """
            #compdef gantry
            # gantry completion for zsh: eval "$(gantry completion zsh)", or save this as _gantry in a folder of $fpath
            _gantry() {
                local -a candidates
                candidates=(${(f)"$(command ${words[1]} complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
                if (( ${#candidates} )); then
                    compadd -- $candidates
                else
                    _files
                fi
            }
            if [ "${funcstack[1]}" = "_gantry" ]; then
                _gantry "$@"
            else
                compdef _gantry gantry
            fi

            """,
        ["fish"] = """
            # gantry completion for fish: gantry completion fish | source
            function __gantry_complete
                set -l words (commandline -opc) (commandline -ct)
                command $words[1] complete -- $words[2..-1] 2>/dev/null
            end
            complete -c gantry -f -a '(__gantry_complete)'

            """,
    };

    public static Command Build(App app)
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish." };
        shell.CompletionSources.Add(_ => Scripts.Keys.Select(name => new System.CommandLine.Completions.CompletionItem(name)));
        return new Verb("completion", "Print a script that completes commands, options and names in your shell.",
            "eval \"$(gantry completion bash)\"", "gantry completion zsh > ~/.zfunc/_gantry", "gantry completion fish > ~/.config/fish/completions/gantry.fish")
            .With(shell).Runs(app, (parsed, session, _) =>
            {
                session.Out.Write(Scripts.TryGetValue(parsed.GetValue(shell)!, out var script)
                    ? script : throw new WrongUseException($"There is no script for '{parsed.GetValue(shell)}'.", "Accepted is bash, zsh or fish."));
                return Task.FromResult(ExitCode.Done);
            });
    }

    /// <summary>Hidden: the words typed so far, the last one unfinished, to one candidate a line. Never a word of complaint.</summary>
    public static Command Candidates(App app)
    {
        var words = new Argument<string[]>("WORDS") { Arity = ArgumentArity.ZeroOrMore };
        return new Verb("complete", "What could come next.") { Hidden = true }.With(words).Runs(app, (parsed, session, _) =>
        {
            foreach (var candidate in Completer.Candidates(app, parsed.GetValue(words) is { Length: > 0 } given ? given : [""]))
            {
                session.Out.WriteLine(candidate);
            }

            return Task.FromResult(ExitCode.Done);
        });
    }
}
