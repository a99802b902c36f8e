using System.Globalization;
using Gantry.Contracts;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Gantry.Daemon.Networks;

/// <summary>Takes a hostile text of YAML documents apart: plain maps, lists and values only, without anchors, aliases and tags, and nested at most 32 deep.</summary>
internal sealed class YamlDocuments
{
    private const int MostDepth = 32;

    private readonly string _text;
    private readonly Scanner _scanner;
    private readonly Parser _parser;
    private int _document = 1;

    public YamlDocuments(string text)
    {
        _text = text;
        _scanner = new(new StringReader(text));
        _parser = new(_scanner);
    }

    /// <summary>The documents in turn, also empty ones. What follows the one last taken has not been read yet.</summary>
    /// <exception cref="Refusal"><c>policy.yaml_invalid</c>.</exception>
    public IEnumerable<YamlItem> Read()
    {
        RefuseControlCharacters(); // the parser would take NUL for the end, and leave the rest unread
        for (var item = Next(); item is not StreamEnd; item = Next())
        {
            if (item is DocumentStart)
            {
                var first = Next();
                yield return Read(first, new(_document, first.Start.Line, null, ""), 1);
            }
            else if (item is DocumentEnd)
            {
                _document++;
            }
        }
    }

    private YamlItem Read(ParsingEvent at, YamlItem item, int depth)
    {
        Check(at, item, depth);
        switch (at)
        {
            case Scalar scalar:
                item.Value = scalar.Value;
                item.IsPlain = scalar.Style == ScalarStyle.Plain;
                break;
            case SequenceStart:
                item.Items = [];
                for (var next = Next(); next is not SequenceEnd; next = Next())
                {
                    item.Items.Add(Read(next, new(_document, next.Start.Line, item, string.Create(CultureInfo.InvariantCulture, $"[{item.Items.Count}]")), depth + 1));
                }

                break;
            case MappingStart:
                item.Fields = [];
                for (var next = Next(); next is not MappingEnd; next = Next())
                {
                    var (key, field) = Key(next, item, depth + 1);
                    if (!item.Fields.TryAdd(key, field))
                    {
                        throw field.Wrong("it is there twice", "Leave one of both.");
                    }

                    Read(Next(), field, depth + 1);
                }

                break;
            default:
                throw new InvalidOperationException($"the parser gave {at.GetType().Name} where a value begins");
        }

        return item;
    }

    /// <summary>The name of a field, and what becomes its value: it stands where the name does.</summary>
    private (string Name, YamlItem Field) Key(ParsingEvent at, YamlItem map, int depth)
    {
        var key = new YamlItem(_document, at.Start.Line, map, "");
        if (at is not Scalar)
        {
            Check(at, key, depth);
            throw key.Wrong("the name of a field is a text, not a map or a list", "Write `name: value`.");
        }

        var name = Read(at, key, depth).Text();
        return (name, new(_document, at.Start.Line, map, $".{YamlItem.Shown(name)}"));
    }

    private static void Check(ParsingEvent at, YamlItem item, int depth)
    {
        if (at is AnchorAlias || at is NodeEvent { Anchor.IsEmpty: false })
        {
            throw item.Wrong("anchors and aliases (& and *) are not read", "Write out what the alias stands for.");
        }

        if (at is NodeEvent { Tag.IsEmpty: false })
        {
            throw item.Wrong("tags (such as !!str) are not read", "Leave the tag out; a text that looks like a number goes in quotes.");
        }

        if (depth > MostDepth)
        {
            throw item.Wrong($"it is nested more than {MostDepth} deep", "Write the document as Kubernetes has it: that needs a dozen.");
        }
    }

    private ParsingEvent Next()
    {
        try
        {
            _parser.MoveNext();
            return _parser.Current!;
        }
        catch (YamlException e)
        {
            throw NoYaml(e.Start.Line, YamlItem.Shown(e.Message.TrimEnd('.')));
        }
        catch (InvalidOperationException) // which it throws where an open bracket is followed by a line such as `b: 2`
        {
            throw NoYaml(_scanner.CurrentPosition.Line, "a ':' is where none can be");
        }
    }

    private Refusal NoYaml(long line, string what) =>
        new YamlItem(_document, line, null, "").Wrong($"this is no YAML: {what}", "Correct the text there or next to it; mind quotes, indentation and brackets.");

    private void RefuseControlCharacters()
    {
        var line = 1;
        foreach (var c in _text)
        {
            line += c == '\n' ? 1 : 0;
            if (char.IsControl(c) && c is not ('\t' or '\n' or '\r'))
            {
                throw new YamlItem(_document, line, null, "").Wrong("there is a control character in the text", "Save it as plain UTF-8 text.");
            }
        }
    }
}
