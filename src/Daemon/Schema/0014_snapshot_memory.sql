-- What the memory in a snapshot takes, in bytes; null where it has none.
alter table snapshots add column memory_bytes bigint;
