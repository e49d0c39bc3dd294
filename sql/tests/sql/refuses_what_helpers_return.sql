-- A helper used as a node is refused by what it returned: builders see nothing else of it.
begin;
create role test_helpers login;
select df.grant_usage('test_helpers', true);
set local role test_helpers;
do $$
declare
  v_id text;
  v_helper text;
begin
  -- Among so many ids are some without a digit, and some without a capital.
  for i in 1 .. 100 loop
    v_id := df.start('select ' || i % 5);
    perform pg_temp.check_refused(format('select df.seq(%L, ''select 1'')', v_id),
      'not a durable function node');
  end loop;
  foreach v_helper in array array['df.start(''select 1'')', 'df.start_once(''k'', ''select 1'')',
    'df.version()', 'df.cancel(df.start(''select 1''))', 'df.setvar(''a'', ''b'')',
    'df.explain(''select 1'')', 'df.explain(df.sleep(1))', 'df.explain(''"a".x'')',
    'df.explain(df.seq(''a'', ''b''))', 'df.explain(df.join(''a'', ''b''))', 'df.explain(df.race(''a'', ''b''))',
    'df.explain(df.if(''a'', ''b'', ''c''))', 'df.explain(df.if_rows(''a'', ''b'', ''c''))',
    'df.explain(df.loop(''a''))', 'df.explain(df.break())', 'df.explain(df.break(''1''))',
    'df.explain(df.timeout(df.break(), 1))', 'df.explain(df.as(df.join(''a'', ''b''), ''r''))',
    'df.explain(df.wait_for_signal(''s''))', 'df.explain(df.wait_for_schedule(''* * * * *''))',
    'df.explain(df.http(''http://a''))', 'df.explain(df.start(''select 1'', ''label''))',
    'df.explain(df.start(''select 1''))', 'df.explain(''{"node_type":"X"}'')',
    'df.explain(''select 1'', ''mermaid'')', 'df.explain(df.start(''select 1''), ''mermaid'')'] loop
    perform pg_temp.check_refused(format('select df.loop(%s)', v_helper), 'not a durable function node');
    perform pg_temp.check_refused(format('select df.start(%s)', v_helper), 'not a durable function node');
  end loop;
end
$$;
rollback;
-- What somebody could mean is let through.
select pg_temp.check_same(c.input, df.sql(c.input)::json ->> 'query', c.input) from (values
  ('rollback'), ('ROLLBACK'), ('a'), ('check'), ('select'), ('{stmt}'), ('rollback;'),
  ('TRUNCATE t'), ('select loop from join_t'), ('-- SQL: select 1' || chr(10) || 'select 1'),
  ('explain select 1'), ('values (1)'), ('if_table'), ('/* JOIN */ select 1')) as c(input);

