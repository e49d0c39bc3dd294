select pg_temp.check_same('leaf', df.as(fut => 'a', name => 'x'),
  '{"node_type":"SQL","query":"a","result_name":"x"}');
select pg_temp.check_same('|=>', 'a' |=> 'x', df.as('a', 'x'));
select pg_temp.check_same('a quote at the end', E'a \\"' |=> 'x',
  '{"node_type":"SQL","query":"a \\\"","result_name":"x"}');
select pg_temp.check_same('the last name holds', 'a' |=> 'x' |=> 'y', 'a' |=> 'y');
select pg_temp.check_same('everything to its left', 'a' ~> 'b' |=> 'x',
  '{"node_type":"THEN","result_name":"x","left_node":{"node_type":"SQL","query":"a"},'
  '"right_node":{"node_type":"SQL","query":"b"}}');
select pg_temp.check_same('hand-written', df.as('{"query":"a", "node_type":"SQL"}', 'x'),
  df.as('a', 'x'));
select pg_temp.check_same('beside a policy', df.as(df.retry_policy('a', 3), 'x'),
  df.retry_policy(df.as('a', 'x'), 3));
