-- What the guest is told by cloud-init; passwords in it are hashes. The number is part of what cloud-init calls the instance.
alter table instances
    add column cloud_init jsonb,
    add column cloud_init_number integer not null default 1,
    add column cloud_init_last integer not null default 0;
