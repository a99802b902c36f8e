using Gantry.Contracts;

namespace Gantry.Daemon.Templates;

internal static class TemplateErrors
{
    public static Refusal Unknown(string name) => Refusal.NotFound(
        "template.unknown", $"There is no template '{(Limits.IsName(name) ? name : "so named")}'.", "`gantry template list` shows those there are.");

    public static Refusal NameTaken(string name) => Refusal.Conflict(
        "template.name_taken", $"A template '{name}' exists already.", "Choose another name, or delete that one first.");

    public static Refusal NameReserved(string name) => Refusal.Conflict(
        "template.name_taken", $"'{name}' is the name of a template that is part of Gantry.", "Choose another name.");

    public static Refusal BuiltIn(string name) => Refusal.Conflict(
        "template.built_in", $"The template '{name}' is part of Gantry and stays as it is.", $"Change a copy of it: `gantry template copy {name} NAME`.");

    public static Refusal Changed(string name) => new(
        "template.changed", 412, $"The template '{name}' was changed since it was read.", "Read it again and repeat with its new ETag.");

    public static Refusal KeyReused(string key, string template) => Refusal.Invalid(
        "template.idempotency_key_reused", $"The idempotency key '{key}' was used for another request.", $"Use a new key for a new request; the template '{template}' has this one.");
}
