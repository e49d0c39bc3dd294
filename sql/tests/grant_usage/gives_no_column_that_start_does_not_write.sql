-- A granted role inserts by hand what df.start and df.start_once insert in its name, and no other column.
begin;
create role test_columns login;
select df.grant_usage('test_columns', true, true);
select pg_temp.check_same('columns', (
  select string_agg(a.attname, ', ' order by a.attnum) from pg_attribute a
   where a.attrelid = 'df.instances'::regclass and a.attnum > 0
     and has_column_privilege('test_columns', a.attrelid, a.attnum, 'insert')), 'label, database, graph_id, once_key');
rollback;
