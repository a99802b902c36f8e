-- Schedules. settings is what was asked for, all defaults filled in; the instance it is for stands beside, since its name may change.
-- next_run is null for one that is disabled or never due again; it moves in the transaction that notes the run.
create table schedules (
    id              uuid primary key,
    name            text not null,
    instance        uuid references instances (id) on delete cascade,
    enabled         boolean not null,
    settings        jsonb not null,
    next_run        timestamptz,
    created_by      text not null,
    idempotency_key text,
    request_hash    text,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    version         bigint not null default 1
);
create unique index schedules_name on schedules (name collate "C");
create unique index schedules_idempotency on schedules (created_by, idempotency_key) where idempotency_key is not null;
create index schedules_due on schedules (next_run) where enabled;
create index schedules_instance on schedules (instance);

-- What was done at each due time. There is one row for it, whoever gets there first; who works on it holds a lease.
create table schedule_runs (
    id              uuid primary key,
    schedule        uuid not null references schedules (id) on delete cascade,
    due             timestamptz not null,
    trigger         smallint not null,
    state           smallint not null,
    actor           text not null,
    reason          text,
    results         jsonb not null default '[]',
    holder          uuid,
    lease_until     timestamptz,
    idempotency_key text,
    started_at      timestamptz not null,
    finished_at     timestamptz
);
create unique index schedule_runs_due on schedule_runs (schedule, due);
create unique index schedule_runs_idempotency on schedule_runs (schedule, idempotency_key) where idempotency_key is not null;
create index schedule_runs_running on schedule_runs (schedule) where state = 1;
