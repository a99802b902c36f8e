-- How many snapshots there may be, how much they may occupy and how old they may get: of the whole system, of a pool, of an instance.
-- key is 'system', 'pool:{id}' or 'instance:{id}'; pool may be the one beside a node's instances, which has its node's id and no row.
-- level is what was told last: 1 ok, 2 warned, 3 exceeded.
create table quotas (
    key          text primary key,
    scope        smallint not null,
    pool         uuid,
    instance     uuid references instances (id) on delete cascade,
    max_count    integer,
    max_bytes    bigint,
    max_age      bigint,
    warn_percent smallint not null,
    policy       smallint not null,
    level        smallint not null default 1,
    updated_at   timestamptz not null,
    version      bigint not null default 1
);
create index quotas_instance on quotas (instance) where instance is not null;
create index quotas_pool on quotas (pool) where pool is not null;

-- size_bytes is what would be free without it, as it was measured last. last_used_at is when it was last restored from or cloned.
alter table snapshots
    add column is_protected boolean not null default false,
    add column keep_until   timestamptz,
    add column last_used_at timestamptz,
    add column size_bytes   bigint,
    add column measured_at  timestamptz;
create index snapshots_created on snapshots (created_at);
create index snapshots_schedule on snapshots (schedule, id) where schedule is not null;

-- The pools in which a snapshot has disks, and what would be free there without it.
create table snapshot_pools (
    snapshot   uuid not null references snapshots (id) on delete cascade,
    pool       uuid not null,
    size_bytes bigint,
    primary key (snapshot, pool)
);
create index snapshot_pools_pool on snapshot_pools (pool, snapshot);

-- Snapshots that are being deleted, or queued for it: they count no more.
create view snapshots_going as
    select (input ->> 'id')::uuid as snapshot from operations where kind = 'snapshot.delete' and state in (1, 2) and not unwinding;
