using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry driver</c>: what runs instances.</summary>
internal static class Drivers
{
    public static Command Build(App app) => new Verb("driver", "See what can run instances here.", "gantry driver list").With(
        new Verb("list", "Show the drivers: what each can do, and why one is not usable.", "gantry driver list").Runs(app, (_, session, ct) =>
            session.ShowAsync("/drivers", WireJson.Default.PageDriverInfo, page => page.Items.Select(driver => driver.Name), page =>
            {
                var table = new Table("NAME", "HEALTH", "VERSION", "ACCELERATOR", "KINDS", "CAPABILITIES", "REMARK");
                foreach (var driver in page.Items)
                {
                    table.Add(driver.Name, Words.Of(driver.Health), driver.Version, driver.Accelerator,
                        string.Join(',', driver.Kinds.Select(Words.Of)), string.Join(',', driver.Capabilities), driver.Reason);
                }

                table.Write(session.Out);
            }, ct)));
}
