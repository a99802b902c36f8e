using Gantry.Node.Host;

namespace Gantry.Node.Tests.Host;

public sealed class CryptTests
{
    [Theory]
    [InlineData("Hello world!", "saltstring")]
    [InlineData("This is just a test", "short")]
    [InlineData("größer als ASCII €", "./azAZ09")]
    public async Task A_password_is_hashed_as_openssl_does(string password, string salt)
    {
        await using var root = new TestRoot();
        var asked = await root.Context.Shell.RunAsync(new("openssl", ["passwd", "-6", "-salt", salt, password], TimeSpan.FromMinutes(1)), default);

        var hash = Crypt.Sha512(password, salt);

        hash.ShouldBe(asked.Output.Trim());
    }

    [Fact]
    public void No_two_salts_are_the_same()
    {
        var salts = Enumerable.Range(0, 100).Select(_ => Crypt.NewSalt()).ToList();

        salts.ShouldBeUnique();
        salts.ShouldAllBe(s => s.Length == 16 && s.All(c => char.IsAsciiLetterOrDigit(c) || c == '.' || c == '/'));
    }

    [Fact]
    public void A_salt_that_would_say_something_else_is_refused() => Should.Throw<InvalidOperationException>(() => Crypt.Sha512("word", "a$b:c"));
}
