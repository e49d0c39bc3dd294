select pg_temp.check_same('256 edges', df.check_graph(pg_temp.chain(256)), pg_temp.chain(256));
select pg_temp.check_bad_graph(pg_temp.chain(257), 'root',
  'graph exceeds the maximum nesting depth of 256');
select pg_temp.check_bad_graph(pg_temp.chain(3000), 'root',
  'graph exceeds the maximum nesting depth of 256');
-- Deeper than Postgres itself can parse: still this error, never `stack depth limit exceeded`.
select pg_temp.check_bad_graph(repeat('{"node_type":"LOOP","left_node":', 200000) || df.sql('a')
  || repeat('}', 200000), 'root', 'graph exceeds the maximum nesting depth of 256');
select pg_temp.check_bad_graph(repeat('{"node_type":"LOOP","left_node":', 200000), 'root',
  'graph exceeds the maximum nesting depth of 256');
do $$
begin
  assert length(df.check_graph(
    df.join(variadic array(select 'select ' || i from generate_series(1, 9999) i)))) > 9999;
end
$$;
select pg_temp.check_bad_graph(
  df.join(variadic array(select 'select ' || i from generate_series(1, 10000) i)), 'root',
  'graph exceeds the maximum of 10000 nodes');
