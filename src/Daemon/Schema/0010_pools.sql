-- Pools beside the one every node has. An instance that has a disk in one keeps it from being deleted.
create table pools (
    id          uuid primary key,
    name        text not null,
    node        uuid not null,
    kind        smallint not null,
    source      text not null,
    description text,
    is_ready    boolean not null default false,
    created_at  timestamptz not null,
    version     bigint not null default 1
);
create unique index pools_name on pools (name collate "C");
create unique index pools_source on pools (node, kind, source);

create table instance_pools (
    instance  uuid not null references instances (id) on delete cascade,
    pool      uuid not null references pools (id),
    primary key (instance, pool)
);
create index instance_pools_pool on instance_pools (pool);
