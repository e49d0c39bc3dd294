-- What a migration does to tables that relays and callers are using: a column, data for it, an index,
-- and a table of its own.
alter table df.instances add column noted text;
update df.instances set noted = 'before' where ended_at is not null;
create index instances_noted on df.instances (noted) where noted is not null;
create table df.notes (
    name text primary key,
    note text not null
);
