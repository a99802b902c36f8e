namespace Gantry.Node.Guests;

/// <summary>The guest agent did not answer, or not with what it should; the message is for people.</summary>
internal sealed class AgentFailed(string message, Exception? inner = null) : Exception(message, inner);
