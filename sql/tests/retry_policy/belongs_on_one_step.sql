select pg_temp.check_same('defaults', df.retry_policy('a', max_attempts => 3),
  '{"node_type":"SQL","query":"a","retry":{"max_attempts":3,"initial_seconds":1,"factor":2,'
  '"max_seconds":300,"on_sqlstate":null}}');
select pg_temp.check_same('everything',
  df.retry_policy('a' |=> 'x', 3, initial_seconds => 0.50, factor => 1, max_seconds => 60,
    on_sqlstate => array['40001', '40P01']),
  '{"node_type":"SQL","query":"a","result_name":"x","retry":{"max_attempts":3,'
  '"initial_seconds":0.5,"factor":1,"max_seconds":60,"on_sqlstate":["40001","40P01"]}}');
select pg_temp.check_same('the last policy holds', df.retry_policy(df.retry_policy('a', 3), 4),
  df.retry_policy('a', 4));
select pg_temp.check_same('checked', df.check_graph(df.retry_policy(df.timeout('a', 5), 3)),
  df.timeout(df.retry_policy('a', 3), 5));
select pg_temp.check_refused(c.statement, c.why) from (values
  ($$select df.retry_policy('a', 0)$$, 'max_attempts'),
  ($$select df.retry_policy('a', null)$$, 'max_attempts'),
  ($$select df.retry_policy('a', 3, -1)$$, 'initial_seconds'),
  ($$select df.retry_policy('a', 3, 1, 0.5)$$, 'factor'),
  ($$select df.retry_policy('a', 3, 1, 'NaN')$$, 'factor'),
  ($$select df.retry_policy('a', 3, 1, 2, -1)$$, 'max_seconds'),
  ($$select df.retry_policy('a', 3, on_sqlstate => array['4000'])$$, 'on_sqlstate'),
  ($$select df.retry_policy('a' ~> 'b', 3)$$, 'belongs on a SQL or HTTP node')
) as c(statement, why);
