-- What the migration of the same name brings about, for a fresh install.
alter table df.instances add column noted text;
create index instances_noted on df.instances (noted) where noted is not null;
create table df.notes (
    name text primary key,
    note text not null
);
