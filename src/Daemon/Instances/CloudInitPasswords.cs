using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Host;

namespace Gantry.Daemon.Instances;

/// <summary>Passwords come in clear and go no further: what is kept and what is shown.</summary>
internal static class CloudInitPasswords
{
    /// <summary>With hashes in place of passwords, for all that is stored.</summary>
    /// <exception cref="Refusal"><c>request.invalid</c></exception>
    public static CloudInit? Hashed(CloudInit? settings, string at = "$.cloudInit")
    {
        new Body<CloudInit?>(settings).Checked(value => CloudInitRules.OfPasswords(value, at));
        return With(settings, user => user.Password is null ? user : user with { Password = null, PasswordHash = Crypt.Sha512(user.Password, Crypt.NewSalt()), HasPassword = null });
    }

    /// <inheritdoc cref="Hashed(CloudInit?, string)"/>
    public static InstanceSettings Hashed(InstanceSettings settings, string at) => settings.CloudInit is null ? settings : settings with { CloudInit = Hashed(settings.CloudInit, at) };

    /// <summary>The same for what an idempotency key stands for: the same password makes the same hash, which is no quicker to guess than the one that is stored.</summary>
    public static CloudInit? Said(CloudInit? settings, HttpRequest request, string at = "$.cloudInit")
    {
        new Body<CloudInit?>(settings).Checked(value => CloudInitRules.OfPasswords(value, at));
        if (!request.Headers.TryGetValue("Idempotency-Key", out var key))
        {
            return With(settings, user => user with { Password = null }); // nobody compares it
        }

        var salt = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes($"{request.Method} {request.Path} {key}")))[..16];
        return With(settings, user => user.Password is null ? user : user with { Password = null, PasswordHash = Crypt.Sha512(user.Password, salt) });
    }

    /// <summary>Neither passwords nor hashes, for answers.</summary>
    public static CloudInit? Shown(CloudInit? settings) => With(settings, user => user with
    {
        Password = null,
        PasswordHash = null,
        HasPassword = (user.Password ?? user.PasswordHash) is null ? user.HasPassword : true,
    });

    public static InstanceSettings Shown(InstanceSettings settings) => settings.CloudInit is null ? settings : settings with { CloudInit = Shown(settings.CloudInit) };

    public static IReadOnlyList<SettingsLayer> Shown(IReadOnlyList<SettingsLayer> layers) => [.. layers.Select(layer => layer with { Settings = Shown(layer.Settings) })];

    /// <summary>With an empty cloud-init where there is one.</summary>
    public static IReadOnlyList<SettingsLayer> Hidden(IReadOnlyList<SettingsLayer> layers) =>
        [.. layers.Select(layer => layer.Settings.CloudInit is null ? layer : layer with { Settings = layer.Settings with { CloudInit = new() } })];

    /// <summary>With the hashes that users had before, where that is all that is said of their passwords.</summary>
    public static CloudInit Kept(CloudInit settings, CloudInit? before) => With(settings, user =>
        user is { HasPassword: true, Password: null, PasswordHash: null } && before?.Users?.FirstOrDefault(u => u.Name == user.Name)?.PasswordHash is { } hash
            ? user with { PasswordHash = hash, HasPassword = null } : user)!;

    private static CloudInit? With(CloudInit? settings, Func<CloudInitUser, CloudInitUser> change) =>
        settings?.Users is { } users ? settings with { Users = [.. users.Select(change)] } : settings;
}
