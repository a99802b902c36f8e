-- Snapshots of instances. parent is the one that what was snapshotted came after; instances.current_snapshot is the one that what is now came after.
-- sha256 is of the record that the node keeps of it.
create table snapshots (
    id          uuid primary key,
    instance    uuid not null references instances (id) on delete cascade,
    name        text not null,
    description text,
    parent      uuid references snapshots (id),
    state       smallint not null,
    level       smallint,
    sha256      text,
    is_ready    boolean not null default false,
    created_at  timestamptz not null,
    version     bigint not null default 1
);
create unique index snapshots_name on snapshots (instance, name collate "C");
create index snapshots_of_instance on snapshots (instance, id);
create index snapshots_parent on snapshots (parent);

alter table instances add column current_snapshot uuid references snapshots (id) on delete set null;
create index instances_current_snapshot on instances (current_snapshot) where current_snapshot is not null;
