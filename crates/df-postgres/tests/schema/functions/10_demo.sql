create or replace function df.demo(a text, b text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp
    as $$ select a || b $$;

do $$
begin
    create operator @operator_schema@.~> (leftarg = text, rightarg = text, function = df.demo);
exception when duplicate_function then null;
end $$;

grant usage on schema df to @relay_role@, @admin_role@;
grant select on df.meta to @relay_role@;
