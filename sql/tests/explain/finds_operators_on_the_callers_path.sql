create function pg_temp.greet() returns text language sql as $$ select 'select 1'::text $$;
create schema df_test_path;
create function df_test_path.flow() returns text language sql as $$ select df.sleep(1) $$;
set search_path = df_test_path, public;
select pg_temp.check_same('found', df.explain('flow() ~> ''b'''), E'SLEEP 1s\n→ SQL: b');
reset search_path;
select pg_temp.check_same('not found', left(df.explain('flow() ~> ''b'''), 31),
  'Invalid durable function graph:');
drop schema df_test_path cascade;
