-- Slow changes. Read and written by Operations/OperationStore.cs only.
create table operations (
    id              uuid primary key,
    kind            text not null,
    target          text not null,
    target_name     text not null,
    state           integer not null,            -- OperationState: 1 queued, 2 running, 3 succeeded, 4 failed, 5 cancelling, 6 cancelled
    behind          boolean not null,            -- queued behind another operation of its target
    node            text not null,               -- whose machine the steps work on: only its daemons may claim it
    owner           text,                        -- the daemon that works on it,
    incarnation     uuid,                        -- which run of that daemon,
    lease_until     timestamptz,                 -- and until when nobody else may take it
    position        integer not null default 0,  -- the step to do next, or when unwinding the step to undo next; it may have begun
    unwinding       boolean not null default false,
    step            text,
    input           json not null,
    progress        json,
    result          json,
    error           json,
    created_by      text not null,
    request_id      text,
    idempotency_key text,
    request_hash    text,
    created_at      timestamptz not null default now(),
    started_at      timestamptz,
    finished_at     timestamptz
) with (fillfactor = 70);

create unique index operations_one_at_a_time on operations (target) where state in (1, 2, 5) and not behind;
create index operations_active on operations (target, created_at, id) where state in (1, 2, 5);
create unique index operations_idempotency on operations (created_by, idempotency_key) where idempotency_key is not null;
create index operations_newest on operations (created_at desc, id desc);
create index operations_of_target on operations (target, created_at desc, id desc);
create index operations_finished on operations (finished_at) where finished_at is not null;

create table operation_log (
    operation uuid not null references operations on delete cascade,
    line      bigint generated always as identity,
    time      timestamptz not null,
    text      text not null,
    primary key (operation, line)
);

-- What happened. A change adds its event to event_pending in its own transaction; the sequencer (Events/EventSequencer.cs)
-- moves what is committed to events, numbered without holes, holding the counter's row.
create table event_pending (
    id         bigint generated always as identity primary key,
    time       timestamptz not null default now(),
    type       text not null,
    subject    text not null,
    actor      text not null,
    request_id text,
    data       json
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create table events (
    seq        bigint primary key,
    time       timestamptz not null,
    type       text not null,
    subject    text not null,
    actor      text not null,
    request_id text,
    data       json
);

create table event_counter (
    only_one boolean primary key default true check (only_one),
    seq      bigint not null
) with (fillfactor = 10);

insert into event_counter (seq) values (0);
