namespace Gantry.Contracts;

/// <summary>What a guest's processor is. Numbers are stored and never change (a golden test holds them).</summary>
public enum Architecture
{
#pragma warning disable CA1707 // its name is written so everywhere
    X86_64 = 1,
#pragma warning restore CA1707
    Aarch64 = 2,
    Riscv64 = 3,
    Ppc64le = 4,
}
