-- How many instances carry a note.
create or replace function df.noted_count() returns bigint
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$ select count(*) from df.instances where noted is not null $$;

grant select on df.notes to @relay_role@;
