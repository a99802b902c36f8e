-- Networks. settings is what a network was made with, all defaults filled in; it is changed with its forwards and policies under one version.
-- revision counts all that the node must be told of, addresses and labels of instances too; applied is the one it was told last.
create table networks (
    id         uuid primary key,
    name       text not null,
    node       uuid not null,
    settings   jsonb not null,
    forwards   jsonb not null default '[]',
    policies   jsonb not null default '[]',
    is_ready   boolean not null default false,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    version    bigint not null default 1,
    revision   bigint not null default 1,
    applied    bigint not null default 0
);
create unique index networks_name on networks (name collate "C");

-- What NICs were allotted. An address belongs to its NIC until the NIC or its instance goes.
create table addresses (
    network   uuid not null references networks (id),
    instance  uuid not null references instances (id) on delete cascade,
    nic       text not null,
    mac       text not null,
    ipv4      inet,
    ipv6      inet,
    is_static boolean not null,
    primary key (instance, nic)
);
create unique index addresses_mac on addresses (network, mac);
create unique index addresses_ipv4 on addresses (network, ipv4);
create unique index addresses_ipv6 on addresses (network, ipv6);

-- The default network is made once for each node: who deletes it does not get it back.
create table default_networks (
    node uuid primary key
);
