select pg_temp.check_same('seq', df.seq('a', b => 'b'),
  '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"a"},'
  '"right_node":{"node_type":"SQL","query":"b"}}');
select pg_temp.check_same('~>', 'a' ~> 'b', df.seq('a', 'b'));
select pg_temp.check_same('~> ~>', 'a' ~> 'b' ~> 'c', df.seq(df.seq('a', 'b'), 'c'));
select pg_temp.check_same('text ~> unknown', 'a'::text ~> 'b', df.seq('a', 'b'));
select pg_temp.check_same('varchar ~> unknown', 'a'::varchar ~> 'b', df.seq('a', 'b'));
