-- Templates that users keep. Those that are part of Gantry are code (Templates/BuiltInTemplates.cs); base names one of them.
create table templates (
    id              uuid primary key,
    name            text not null,
    description     text,
    base            text,
    settings        jsonb not null,
    created_by      text not null,
    idempotency_key text,
    request_hash    text,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    version         bigint not null default 1
);
create unique index templates_name on templates (name collate "C");
create unique index templates_idempotency on templates (created_by, idempotency_key) where idempotency_key is not null;
