-- What keeps the source of a clone and its snapshot: from the reservation to the end for one that is copied, for as long as it stands on them for a linked one.
-- Where the snapshot was taken for the clone alone (own), it is in no list and goes with the tie; else it is one of the table of snapshots.
create table clones (
    instance  uuid primary key references instances (id) on delete cascade,
    source    uuid not null references instances (id),
    snapshot  uuid not null,
    own       boolean not null,
    linked    boolean not null
);
create index clones_source on clones (source);
create index clones_snapshot on clones (snapshot);

alter table instances add column is_template boolean not null default false;
