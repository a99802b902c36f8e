-- What a change of a network replaced, until the node has the change: the operation need not carry it. Policies may be a megabyte,
-- and nothing is ever asked of what is in them, so they are kept as they are written.
alter table networks
    alter column policies drop default,
    alter column policies type json using policies::json,
    alter column policies set default '[]',
    add column previous_settings jsonb,
    add column previous_forwards jsonb,
    add column previous_policies json;
