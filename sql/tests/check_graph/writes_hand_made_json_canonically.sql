select pg_temp.check_same('plain SQL', df.check_graph('select "a"'), df.sql('select "a"'));
select pg_temp.check_same('order, blanks, escapes, nulls', df.check_graph($$
  { "right_node": {"query": "b", "node_type": "SQL", "result_name": null, "extra_nodes": []},
    "left_node":  {"query": "\u0061", "node_type": "SQL"},
    "node_type": "THEN", "query": null }$$), df.seq('a', 'b'));
select pg_temp.check_same('configs', df.check_graph(c.graph), c.expected) from (values
  ('{"node_type":"HTTP","query":"{\"method\": \"get\", \"url\": \"http://a\"}"}',
    df.http('http://a', 'GET')),
  ('{"node_type":"BREAK"}', df.break()),
  ('{"node_type":"SIGNAL","query":"{\"signal_name\":\"s\"}"}', df.wait_for_signal('s')),
  ('{"node_type":"LOOP","query":"{}","left_node":' || df.sql('a') || '}', df.loop('a')),
  ('{"node_type":"IF","query":"{}","left_node":' || df.sql('t') || ',"right_node":' || df.sql('e')
    || ',"condition_node":' || df.sql('c') || '}', df.if('c', 't', 'e')),
  ('{"node_type":"SQL","query":"a","retry":{"max_attempts":3}}', df.retry_policy('a', 3)),
  ('{"node_type":"SQL","query":"a","comment":"let be"}', df.sql('a'))
) as c(graph, expected);
