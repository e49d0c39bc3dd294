-- A schema of the least that an install needs, for the installer's own tests.
create table df.meta (
    key   text primary key,
    value text not null
);
insert into df.meta (key, value) values ('installation', gen_random_uuid()::text);
