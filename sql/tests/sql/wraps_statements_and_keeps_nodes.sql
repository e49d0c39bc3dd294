select pg_temp.check_same('quotes', df.sql(E'select "x",\n \\ ''é'''),
  '{"node_type":"SQL","query":"select \"x\",\n \\ ''é''"}');
select pg_temp.check_same('by name', df.sql(query => 'a'), '{"node_type":"SQL","query":"a"}');
select pg_temp.check_same('node', df.sql(df.sleep(1)), df.sleep(1));
select pg_temp.check_same('a variable', df.sql('{statement}'),
  '{"node_type":"SQL","query":"{statement}"}');
select pg_temp.check_same('one word', df.sql('commit'), '{"node_type":"SQL","query":"commit"}');
select pg_temp.check_same('eight letters', df.sql('SELECT 1'),
  '{"node_type":"SQL","query":"SELECT 1"}');
select pg_temp.check_same('hand-written', ' { "node_type" : "SQL", "query":"x"} ' ~> 'b',
  '{"node_type":"THEN","left_node":{ "node_type" : "SQL", "query":"x"},'
  '"right_node":{"node_type":"SQL","query":"b"}}');
