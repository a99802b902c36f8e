using Mono.Cecil;
using Mono.Cecil.Cil;

namespace Gantry.Repo.Tests;

/// <summary>What a compiled type uses, read from IL: neither a nested namespace nor a lambda can hide it.</summary>
internal static class Il
{
    public static IEnumerable<TypeReference> UsedBy(TypeDefinition type) =>
        type.Interfaces.Select(i => i.InterfaceType)
            .Append(type.BaseType)
            .Concat(type.Fields.Select(f => f.FieldType))
            .Concat(type.Methods.SelectMany(UsedBy))
            .Concat(Attributes(type))
            .Where(t => t is not null)
            .SelectMany(Whole)
            .Select(Outermost);

    /// <summary>The type a nested one stands in: a closure belongs to the class that wrote it.</summary>
    public static TypeReference Outermost(TypeReference type) => type.DeclaringType is { } outer ? Outermost(outer) : type;

    private static IEnumerable<TypeReference> UsedBy(MethodDefinition method) =>
        method.Parameters.Select(p => p.ParameterType)
            .Append(method.ReturnType)
            .Concat(method.HasBody ? method.Body.Variables.Select(v => v.VariableType).Concat(method.Body.Instructions.SelectMany(InBody)) : []);

    private static IEnumerable<TypeReference> InBody(Instruction instruction) => instruction.Operand switch
    {
        GenericInstanceMethod m => [m.DeclaringType, m.ReturnType, .. m.GenericArguments],
        MethodReference m => [m.DeclaringType, m.ReturnType],
        FieldReference f => [f.DeclaringType, f.FieldType],
        TypeReference t => [t],
        _ => [],
    };

    private static IEnumerable<TypeReference> Attributes(TypeDefinition type) => type.CustomAttributes.Select(a => a.AttributeType);

    private static IEnumerable<TypeReference> Whole(TypeReference type) => type switch
    {
        GenericInstanceType g => [g.ElementType, .. g.GenericArguments.SelectMany(Whole)],
        GenericParameter => [],
        TypeSpecification s => Whole(s.ElementType),
        _ => [type],
    };
}
