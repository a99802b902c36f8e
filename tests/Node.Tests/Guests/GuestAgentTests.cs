using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gantry.Node.Guests;

namespace Gantry.Node.Tests.Guests;

/// <summary>The client of the guest agent against what a guest may send. Whatever that is, it costs a deadline at most, and the next command finds the line clear.</summary>
public sealed class GuestAgentTests : IAsyncDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patient = TimeSpan.FromMinutes(2);

    private readonly string _folder = TestRoot.NewFolder();
    private readonly List<ScriptedAgent> _peers = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var peer in _peers)
        {
            await peer.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Commands_are_answered_one_after_another_though_the_answers_come_in_pieces_behind_what_was_left_of_before()
    {
        await using var agent = await ConnectAsync(async (command, stream) =>
        {
            if (command == "guest-sync-delimited")
            {
                await ScriptedAgent.SayAsync(stream, "late\n{\"return\": 5}\n\xFF{\"return\": 1}\n\xFFnot json\n{\"error\": {\"desc\": \"JSON parse error\"}}\n");
            }

            if (command == "guest-get-time")
            {
                foreach (var letter in "\n\n{\"return\": 17}\n")
                {
                    await ScriptedAgent.SayAsync(stream, $"{letter}");
                }

                return true;
            }

            return false;
        });
        (await agent.ExecuteAsync("guest-get-time", Patient, default)).GetInt64().ShouldBe(17);
        await Task.WhenAll(Enumerable.Range(0, 10).Select(async _ => (await agent.ExecuteAsync("guest-get-time", Patient, default)).GetInt64().ShouldBe(17)));
        (await agent.IsFrozenAsync(default)).ShouldBeFalse();
        (await agent.FreezeAsync(Patient, default)).ShouldBe(1);
        (await agent.IsFrozenAsync(default)).ShouldBeTrue();
        _peers[0].Commands.Count(c => c == "guest-sync-delimited").ShouldBe(1);
    }

    public static TheoryData<string, string> BadAnswers { get; } = new()
    {
        { "", "did not answer 'guest-odd' within 1 s" },
        { "{\"return\": ", "did not answer 'guest-odd' within 1 s" },
        { "garbage\n", "no answer" },
        { "[]\n", "no answer" },
        { "{}\n", "refused 'guest-odd'" },
        { "{\"error\": {\"class\": \"X\", \"desc\": \"not \\u001b[31mtoday\"}}\n", "refused 'guest-odd': not [31mtoday" },
        { "{\"error\": {\"desc\": \"\\ud800\"}}\n", "no answer" },
        { "{\"\\ud800x\": 1}\n", "no answer" },
        { "{\"return\": [{\"a\": \"\\udc00\"}]}\n", "no answer" },
        { "{\"error\": 7}\n", "refused 'guest-odd'" },
        { new string('[', 1000) + "\n", "no answer" },
        { "{\"return\":" + new string('[', 20) + new string(']', 20) + "}\n", "no answer" },
        { new string('x', GuestAgent.LongestAnswer + 1), "longer than 1024 KiB" },
        { "{\"return\": \"" + new string('x', GuestAgent.LongestAnswer) + "\"}\n", "longer than 1024 KiB" },
        { "\xC0\xC0\n", "no answer" },
    };

    [Theory]
    [MemberData(nameof(BadAnswers))]
    public async Task A_bad_answer_fails_its_command_alone(string answer, string why)
    {
        await using var agent = await ConnectAsync(async (command, stream) =>
        {
            if (command == "guest-odd")
            {
                await ScriptedAgent.SayAsync(stream, answer);
            }

            return command == "guest-odd";
        });
        (await Should.ThrowAsync<AgentFailed>(() => agent.ExecuteAsync("guest-odd", answer.EndsWith('\n') || answer.Length > 100 ? Patient : Soon, default))).Message.ShouldContain(why);
        await agent.ExecuteAsync("guest-ping", Patient, default);
    }

    [Fact]
    public async Task What_comes_late_is_not_taken_for_the_answer_to_another_command()
    {
        var late = new TaskCompletionSource();
        await using var agent = await ConnectAsync(async (command, stream) =>
        {
            if (command == "guest-late")
            {
                await late.Task;
                await ScriptedAgent.SayAsync(stream, "{\"return\": \"late\"}\n");
            }

            return command == "guest-late";
        });
        await Should.ThrowAsync<AgentFailed>(() => agent.ExecuteAsync("guest-late", Soon, default));
        late.SetResult();
        (await agent.ExecuteAsync("guest-ping", Patient, default)).ValueKind.ShouldBe(JsonValueKind.Object);
    }

    [Fact]
    public async Task Noise_without_end_and_a_line_that_closes_are_told_as_such()
    {
        await using var noisy = await ConnectAsync(async (_, stream) =>
        {
            await ScriptedAgent.SayAsync(stream, new string('x', 5 << 20));
            return true;
        });
        (await Should.ThrowAsync<AgentFailed>(() => noisy.ExecuteAsync("guest-ping", Patient, default))).Message.ShouldContain("something else on it");

        await using var closing = await ConnectAsync((_, stream) =>
        {
            stream.Dispose();
            return Task.FromResult(true);
        });
        (await Should.ThrowAsync<AgentFailed>(() => closing.ExecuteAsync("guest-ping", Patient, default))).Message.ShouldContain("the agent's line");
        (await Should.ThrowAsync<AgentFailed>(() => GuestAgent.ConnectAsync($"{_folder}/nobody", TimeProvider.System, default))).Message.ShouldContain("cannot be opened");
    }

    [Fact]
    public async Task Whatever_bytes_come_the_client_answers_or_says_why_not()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            await using var stream = new Noise(random);
            await using var agent = new GuestAgent(stream, TimeProvider.System);
            for (var command = 0; command < 3; command++)
            {
                var failed = await Record.ExceptionAsync(() => agent.ExecuteAsync("guest-ping", Patient, default));
                (failed is null or AgentFailed).ShouldBeTrue($"seed {seed}: {failed}");
            }
        }
    }

    private async Task<GuestAgent> ConnectAsync(Func<string, Stream, Task<bool>> answer)
    {
        var path = $"{_folder}/{_peers.Count}";
        _peers.Add(new(path, answer));
        return await GuestAgent.ConnectAsync(path, TimeProvider.System, default);
    }

    /// <summary>Pieces of answers, delimiters and anything else, in any order, until it ends.</summary>
    private sealed class Noise(Random random) : Stream
    {
        private static readonly string[] Pieces = ["\xFF", "{\"return\": ", "{}", "}\n", "\n", "\"frozen\"", "{\"error\": {\"desc\": \"x\"}}\n", "[[[[", "\0", "\xC3", "1e999", "-"];
        private long _asked;
        private int _left = 400;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => 0;

        public override long Position { get; set; }

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (_left-- == 0)
            {
                return 0;
            }

            var text = random.Next(8) == 0 ? $"\xFF{{\"return\": {_asked}}}\n" : random.Next(12) == 0 ? Encoding.Latin1.GetString(RandomNumberGenerator.GetBytes(20)) : Pieces[random.Next(Pieces.Length)];
            var bytes = Encoding.Latin1.GetBytes(text);
            bytes.AsSpan(0, Math.Min(count, bytes.Length)).CopyTo(buffer.AsSpan(offset));
            return Math.Min(count, bytes.Length);
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            var text = Encoding.Latin1.GetString(buffer, offset, count);
            if (text.LastIndexOf("\"id\":", StringComparison.Ordinal) is var at && at >= 0)
            {
                _asked = long.Parse(text[(at + 5)..].TakeWhile(char.IsAsciiDigit).ToArray(), null);
            }
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => 0;

        public override void SetLength(long value)
        {
        }
    }
}
