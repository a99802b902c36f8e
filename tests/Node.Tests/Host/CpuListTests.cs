using Gantry.Node.Host;

namespace Gantry.Node.Tests.Host;

public sealed class CpuListTests
{
    [Theory]
    [InlineData("0", new[] { 0 })]
    [InlineData("8,0-3,2", new[] { 0, 1, 2, 3, 8 })]
    [InlineData("4095", new[] { 4095 })]
    public void A_list_is_read_as_Linux_writes_it(string text, int[] numbers) => CpuList.Parse(text).ShouldBe(numbers);

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("-1")]
    [InlineData("1-")]
    [InlineData("3-1")]
    [InlineData("1-2-3")]
    [InlineData("1,,2")]
    [InlineData(" 1")]
    [InlineData("4096")]
    [InlineData("99999999999")]
    public void What_is_no_list_is_none(string text) => CpuList.TryParse(text).ShouldBeNull();
}
