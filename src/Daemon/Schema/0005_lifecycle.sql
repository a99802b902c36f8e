alter table instances
    add stop_cause           smallint,   -- of a stopped one
    add pause_cause          smallint,   -- of a paused one
    add max_cpus             integer,
    add max_memory_bytes     bigint,
    add pending_cpus         integer,    -- for the next start: what a resize could not do at once,
    add pending_memory_bytes bigint,
    add pending_reason       text,       -- and why
    add wanted_running       boolean not null default false; -- whether it is to run again when the daemon finds it stopped
update instances set wanted_running = state in (3, 4, 5); -- starting, running, paused

-- The kernel's boot_id of each node when its instances were last taken up: another one means that the host has restarted.
create table node_boots (
    node    uuid primary key,
    boot_id uuid not null
);
