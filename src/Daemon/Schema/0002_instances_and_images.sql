create table images (
    id            uuid primary key,
    name          text not null,
    state         smallint not null,
    default_kind  smallint not null,
    description   text,
    size_bytes    bigint not null default 0,
    sha256        jsonb not null default '{}',
    created_at    timestamptz not null
);
create unique index images_name on images (name);

create table instances (
    id            uuid primary key,
    name          text not null,
    kind          smallint not null,
    driver        text not null,
    image         uuid references images (id),
    node          uuid not null,
    cpus          integer not null,
    memory_bytes  bigint not null,
    description   text,
    labels        jsonb not null default '{}',
    boot          jsonb not null,
    auto_start    boolean not null,
    state         smallint not null,
    state_since   timestamptz not null,
    state_reason  text,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    version       bigint not null default 1,
    deleted       boolean not null default false
);
-- A name is free again as soon as its instance is on the way out.
create unique index instances_name on instances (name collate "C") where not deleted;
create index instances_image on instances (image);
