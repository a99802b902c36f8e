-- The schedule whose run took it, which may be gone; null where somebody asked for it. Retention looks at no others.
alter table snapshots add column schedule uuid;
create index snapshots_of_schedule on snapshots (instance, schedule) where schedule is not null;

-- Snapshots have no memory in them, and schedules do not say so any more.
update schedules set settings = settings #- '{snapshot,memory}';
