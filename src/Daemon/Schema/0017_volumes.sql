-- Volumes that belong to no instance; those of one are in its row. pool is null for the one beside the node's instances.
-- state: 1 creating, 2 available, 3 attaching, 5 detaching, 6 changing, 7 deleting. instance is the one it is on its way to or from.
create table volumes (
    id          uuid primary key,
    node        uuid not null,
    pool        uuid references pools (id),
    name        text not null,
    description text,
    size_bytes  bigint not null,
    image       uuid references images (id),
    state       smallint not null,
    instance    uuid references instances (id) on delete set null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    version     bigint not null default 1
);
create unique index volumes_name on volumes (coalesce(pool, node), name collate "C");
create index volumes_image on volumes (image) where image is not null;
create index volumes_pool on volumes (pool) where pool is not null;
create index volumes_instance on volumes (instance) where instance is not null;
