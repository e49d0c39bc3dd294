-- Every builder passes its arguments through one door, so one of them stands for all.
select pg_temp.check_refused(format('select df.seq(''select 1'', %L)', c.input), c.why)
from (values
  (null, 'is NULL'),
  ('', 'is empty'),
  (E' \n', 'is empty'),
  ('OK', 'not a durable function node'),
  ('completed', 'not a durable function node'),
  ('a1b2c3d4', 'not a durable function node'),
  ('Instance a1b2c3d4 cancelled: why', 'not a durable function node'),
  ('df.setvar(''a'', ''b'')', 'inside quotes'),
  ('df.sleep(5)', 'inside quotes'),
  ('{"a": 1}', 'without node_type'),
  ('{}', 'without node_type'),
  ('[1, 2]', 'not a durable function node'),
  ('"select 1"', 'not a durable function node')
) as c(input, why);
select pg_temp.check_refused($$select df.sql('OK')$$, 'df.sql: ');
select pg_temp.check_refused($$select 'OK' & 'b'$$, 'df.join: ');
select pg_temp.check_refused($$select df.loop(df.break(), 'OK')$$, 'df.loop condition: ');
