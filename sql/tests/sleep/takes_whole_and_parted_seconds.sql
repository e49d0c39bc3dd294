select pg_temp.check_same('sleep', df.sleep(seconds => 5), '{"node_type":"SLEEP","query":"5"}');
select pg_temp.check_same('zero', df.sleep(0), '{"node_type":"SLEEP","query":"0"}');
select pg_temp.check_same('interval', df.sleep_interval('1 minute 250 ms'),
  '{"node_type":"SLEEP","query":"60.25"}');
select pg_temp.check_same('by hand', df.check_graph('{"node_type":"SLEEP","query":" 1e3 "}'),
  '{"node_type":"SLEEP","query":"1000"}');
select pg_temp.check_refused(c.statement, c.why) from (values
  ('select df.sleep(-1)', 'negative'),
  ('select df.sleep(null)', 'NULL'),
  ('select df.sleep(9223372036854775807)', 'at most'),
  ('select df.sleep_interval(''-1 ms'')', 'negative'),
  ('select df.sleep_interval(null)', 'NULL')
) as c(statement, why);
select pg_temp.check_bad_graph('{"node_type":"SLEEP","query":"soon"}', 'root', 'the seconds');
select pg_temp.check_bad_graph('{"node_type":"SLEEP","query":"NaN"}', 'root', 'the seconds');
select pg_temp.check_bad_graph('{"node_type":"SLEEP","query":"-1"}', 'root', 'the seconds');
