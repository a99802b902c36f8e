-- Networks. settings holds what was resolved when a network was made (subnets, domain and so on), forwards and policies all of its own:
-- a change replaces the row's document under its version, so that it is applied whole or not at all.
create table networks (
    id          uuid primary key,
    name        text not null,
    description text,
    labels      jsonb not null default '{}',
    settings    jsonb not null,
    forwards    jsonb not null default '[]',
    policies    jsonb not null default '[]',
    is_ready    boolean not null default false,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    version     bigint not null default 1
);
create unique index networks_name on networks (name collate "C");

-- What NICs were allotted. An address belongs to its NIC until the NIC or the instance goes.
create table addresses (
    network   uuid not null references networks (id),
    instance  uuid not null references instances (id) on delete cascade,
    nic       text not null,
    mac       macaddr not null,
    ipv4      inet,
    ipv6      inet,
    is_static boolean not null,
    primary key (instance, nic)
);
create unique index addresses_mac on addresses (network, mac);
create unique index addresses_ipv4 on addresses (network, ipv4) where ipv4 is not null;
create unique index addresses_ipv6 on addresses (network, ipv6) where ipv6 is not null;
