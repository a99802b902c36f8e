using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Instances;

/// <summary>What another area forgets together with an instance, in the transaction that tells of its end.</summary>
internal delegate Task InstanceGone(NpgsqlTransaction transaction, Id<Instance> instance, Caller caller);
