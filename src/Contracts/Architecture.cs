namespace Gantry.Contracts;

/// <summary>The processor a guest is made for, named as the kernel does. Numbers are stored and never change (a golden test holds them).</summary>
public enum Architecture
{
#pragma warning disable CA1707 // it is the processor's name
    X86_64 = 1,
#pragma warning restore CA1707
    Aarch64 = 2,
    Riscv64 = 3,
    Ppc64le = 4,
}
