select pg_temp.check_bad_graph(c.graph, c.path, c.why) from (values
  (null, 'root', 'a step is NULL'),
  ('', 'root', 'a step is empty'),
  ('OK', 'root', '''OK'' is the result of a helper'),
  ('[]', 'root', 'a JSON value'),
  ('{}', 'root', 'a JSON object without node_type'),
  ('{}"node_type":"SQL"', 'root', 'a JSON object without node_type'),
  ('{"query":"a"}', 'root', 'a JSON object without node_type'),
  ('{"node_type":"SQL","query":"a"', 'root', 'not valid JSON'),
  ('{"node_type":"SQL","query":"a"} x', 'root', 'not valid JSON'),
  ('{"node_type":"SQL","query":"a\u0000"}', 'root', 'text that Postgres cannot store'),
  ('{"node_type":"SQL","query":1e200000}', 'root', 'not valid JSON'),
  ('{"node_type":"X"}', 'root', 'Unknown node_type ''X'''),
  ('{"node_type":"sql","query":"a"}', 'root', 'Unknown node_type ''sql'''),
  ('{"node_type":null}', 'root', 'Missing node_type'),
  ('{"node_type":3}', 'root', 'node_type must be a string'),
  ('{"node_type":"SQL"}', 'root', 'query in SQL is required'),
  ('{"node_type":"SQL","query":7}', 'root', 'query in SQL must be a string'),
  ('{"node_type":"SQL","query":" "}', 'root', 'query in SQL must not be empty'),
  ('{"node_type":"SQL","query":"a","result_name":"a b"}', 'root', 'result name ''a b'' is not a'),
  ('{"node_type":"SQL","query":"a","result_name":5}', 'root', 'result_name must be a string'),
  ('{"node_type":"SQL","query":"a","left_node":{}}', 'root', 'left_node is not allowed in SQL'),
  ('{"node_type":"SQL","query":"a","retry":{"max_attempts":0}}', 'root', 'max_attempts'),
  ('{"node_type":"SQL","query":"a","node_timeout_seconds":0}', 'root', 'the timeout must be'),
  ('{"node_type":"SQL","query":"a","node_timeout_seconds":"5"}', 'root', 'the timeout must be'),
  ('{"node_type":"THEN"}', 'root', 'left_node in THEN is required'),
  ('{"node_type":"THEN","left_node":null}', 'root', 'left_node in THEN is required'),
  ('{"node_type":"THEN","left_node":"a"}', 'root',
    'left_node in THEN must be a Durofut JSON object'),
  ('{"node_type":"BREAK","query":"x"}', 'root', 'query in BREAK must be valid JSON config'),
  ('{"node_type":"SIGNAL","query":"[]"}', 'root', 'query in SIGNAL must be valid JSON config'),
  ('{"node_type":"BREAK","query":"{\"break_value\":\"\\u0000\"}"}', 'root', 'text that Postgres')
) as c(graph, path, why);
-- Beneath an operator, so that the path shows.
select pg_temp.check_bad_graph(
  '{"node_type":"LOOP","left_node":{"node_type":"JOIN","left_node":' || df.sql('a')
    || ',"right_node":' || c.graph || ',"extra_nodes":' || c.extra || '}}', c.path, c.why)
from (values
  (df.sql('b'), '{}', 'root.body', 'extra_nodes in JOIN must be an array'),
  (df.sql('b'), '[3]', 'root.body', 'extra_nodes entries must be Durofut JSON objects'),
  (df.sql('b'), '["select 1"]', 'root.body', 'extra_nodes entries must be Durofut JSON objects'),
  (df.sql('b'), '[{"node_type":"Y"}]', 'root.body.extra_nodes[0]', 'Unknown node_type ''Y'''),
  ('{"node_type":"RACE","left_node":' || df.sql('a') || '}', '[]', 'root.body.right',
    'right_node in RACE is required'),
  ('{"node_type":"RACE","left_node":' || df.sql('a') || ',"right_node":' || df.sql('b')
    || ',"extra_nodes":[' || df.sql('c') || ']}', '[]', 'root.body.right',
    'extra_nodes is not allowed in RACE'),
  ('{"node_type":"LOOP","condition_node":{"node_type":"Z"},"left_node":' || df.sql('a') || '}',
    '[]',
    'root.body.right.condition_node', 'Unknown node_type ''Z''')
) as c(graph, extra, path, why);
