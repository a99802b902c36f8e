namespace Gantry.Contracts;

/// <summary>What a route demands of who calls it. Every route names one; a golden list shows them (docs/api/routes.md).</summary>
public enum Privilege
{
    /// <summary>Asks for no sign-in at all.</summary>
    None = 1,
    InstanceAudit = 2,
    InstanceAllocate = 3,
    InstancePower = 4,
    InstanceConsole = 5,
    ImageAudit = 6,
    ImageAllocate = 7,
    OperationAudit = 8,
    OperationCancel = 9,
    EventAudit = 10,
    NodeAudit = 11,
    SystemAudit = 12,
    InstanceConfigure = 13,
    TemplateAudit = 16,
    TemplateAllocate = 17,
    NetworkAudit = 18,
    NetworkAllocate = 19,

    /// <summary>Forwards and policies of a network.</summary>
    NetworkConfigure = 20,
    PoolAudit = 21,
    PoolAllocate = 22,
    VolumeAudit = 23,

    /// <summary>Makes, changes and deletes volumes that belong to no instance.</summary>
    VolumeAllocate = 24,

    /// <summary>Takes snapshots, restores and deletes them.</summary>
    InstanceSnapshot = 40,
    ScheduleAudit = 30,
    ScheduleAllocate = 31,
    QuotaAudit = 50,

    /// <summary>Sets quotas, takes them away, and has them enforced, which deletes snapshots.</summary>
    QuotaAllocate = 51,
}
