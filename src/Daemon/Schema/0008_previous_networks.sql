-- What a change of a network replaced, until the node has the change: the operation need not carry it.
alter table networks add column previous jsonb;
