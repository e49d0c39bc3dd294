select pg_temp.check_same('signal', df.wait_for_signal(name => 'go "on"'),
  '{"node_type":"SIGNAL","query":"{\"signal_name\":\"go \\\"on\\\"\",\"timeout_seconds\":null}"}');
select pg_temp.check_same('timeout', df.wait_for_signal('go', timeout_seconds => 5),
  '{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":5}"}');
select pg_temp.check_refused(c.statement, c.why) from (values
  ('select df.wait_for_signal('''')', 'signal_name'),
  ('select df.wait_for_signal(null)', 'signal_name'),
  ('select df.wait_for_signal(repeat(''x'', 1025))', 'at most 1024 bytes'),
  ('select df.wait_for_signal(''go'', 0)', 'timeout_seconds'),
  ('select df.wait_for_signal(''go'', -1)', 'timeout_seconds')
) as c(statement, why);
