select pg_temp.check_same('race', df.race(a => 'a', b => 'b'),
  '{"node_type":"RACE","left_node":{"node_type":"SQL","query":"a"},'
  '"right_node":{"node_type":"SQL","query":"b"}}');
select pg_temp.check_same('|', 'a' | 'b', df.race('a', 'b'));
