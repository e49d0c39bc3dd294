select pg_temp.check_same('none', df.break(),
  '{"node_type":"BREAK","query":"{\"break_value\":null}"}');
select pg_temp.check_same('text', df.break(value => 'a "b"'),
  '{"node_type":"BREAK","query":"{\"break_value\":\"a \\\"b\\\"\"}"}');
