-- What a machine is made of beside CPUs and memory, as it is on the wire; and every image it needs, one that its disks stand on too.
alter table instances add column machine jsonb not null default '{}';

create table instance_images (
    instance  uuid not null references instances (id) on delete cascade,
    image     uuid not null references images (id),
    primary key (instance, image)
);
create index instance_images_image on instance_images (image);
insert into instance_images (instance, image) select id, image from instances where image is not null;
