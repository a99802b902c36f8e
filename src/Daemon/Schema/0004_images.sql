-- What an image is, beyond a kernel: a disk, what it boots by, where it came from.
alter table images
    add column architecture smallint not null default 1,  -- Architecture: 1 x86_64, 2 aarch64, 3 riscv64, 4 ppc64le
    add column firmware     smallint not null default 1,  -- Firmware: 1 direct, 2 bios, 3 uefi
    add column disk_bytes   bigint,                       -- what a guest sees of its disk; null without one
    add column source       text,
    add column updated_at   timestamptz,
    add column version      bigint not null default 1;
update images set updated_at = created_at, source = 'recipe micro';
alter table images alter column updated_at set not null;
