select pg_temp.check_same('leaf', df.timeout('a', 5),
  '{"node_type":"SQL","query":"a","node_timeout_seconds":5}');
select pg_temp.check_same('sequence', df.timeout(fut => 'a' ~> 'b', seconds => 0.250),
  '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"a"},'
  '"right_node":{"node_type":"SQL","query":"b"},"node_timeout_seconds":0.25}');
select pg_temp.check_same('checked', df.check_graph(df.timeout('a' ~> 'b', 5)),
  df.timeout('a' ~> 'b', 5));
select pg_temp.check_refused(format('select df.timeout(''a'', %L)', c), 'timeout')
from unnest(array[null, '0', '-1', 'NaN', '1e12']) as c;
