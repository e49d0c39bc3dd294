select pg_temp.check_same('forever', df.loop(body => 'b'),
  '{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"b"}}');
select pg_temp.check_same('NULL', df.loop('b', null), df.loop('b'));
select pg_temp.check_same('@>', @> 'b', df.loop('b'));
select pg_temp.check_same('@> of a sequence', @> ('a' ~> 'b'), df.loop(df.seq('a', 'b')));
select pg_temp.check_same('while', df.loop('b', condition => 'c'),
  '{"node_type":"LOOP","condition_node":{"node_type":"SQL","query":"c"},'
  '"left_node":{"node_type":"SQL","query":"b"}}');
