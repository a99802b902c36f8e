using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>Which labels a selector chooses, as Kubernetes does: <c>notIn</c> also chooses what does not have the label.</summary>
public static class LabelSelection
{
    public static bool Chooses(this LabelSelector selector, IReadOnlyDictionary<string, string> labels) =>
        (selector.Labels ?? new Dictionary<string, string>()).All(wanted => labels.TryGetValue(wanted.Key, out var value) && value == wanted.Value)
        && (selector.Expressions ?? []).All(expression => Holds(expression, labels));

    private static bool Holds(LabelExpression expression, IReadOnlyDictionary<string, string> labels)
    {
        var value = labels.GetValueOrDefault(expression.Key);
        return expression.Operator switch
        {
            LabelOperator.In => value is not null && expression.Values?.Contains(value) == true,
            LabelOperator.NotIn => value is null || expression.Values?.Contains(value) != true,
            LabelOperator.Exists => value is not null,
            LabelOperator.DoesNotExist => value is null,
            _ => false,
        };
    }
}
