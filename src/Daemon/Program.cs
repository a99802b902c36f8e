var builder = WebApplication.CreateSlimBuilder(args);
var app = builder.Build();
app.Run();

/// <summary>Public so that tests can name the assembly.</summary>
public partial class Program;
