-- What the installer and every other file stand on: the facts about this installation.
-- Written by the installer; read by relays before they do anything.
create table df.meta (
    key   text primary key,
    value text not null
);

insert into df.meta (key, value) values
    ('installation', gen_random_uuid()::text);

-- The clock that tests can set. One row at most; production never has one.
create table df.clock_override (
    singleton boolean primary key default true check (singleton),
    shift     interval not null
);
