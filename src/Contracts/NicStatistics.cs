namespace Gantry.Contracts;

/// <summary>What went through a NIC since its instance was started, or it was plugged in, as its guest sees it.</summary>
/// <param name="Nic">Its name.</param>
/// <param name="ReceivedDropped">Packets for the guest that it did not get: it read too slowly, or over its limit.</param>
/// <param name="SentDropped">Packets of the guest's that went nowhere, those over its limit among them. What filters drop is not counted here.</param>
public sealed record NicStatistics(
    string Nic, long ReceivedBytes, long ReceivedPackets, long ReceivedDropped, long SentBytes, long SentPackets, long SentDropped);
