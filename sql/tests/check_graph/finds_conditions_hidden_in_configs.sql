select pg_temp.check_bad_graph(
  format('{"node_type":"%s","query":%s,"left_node":%s,"right_node":%s}', c.node_type,
    to_json(c.query), df.sql('t'), df.sql('e')), 'root', c.why)
from (values
  ('IF', '{"condition_node":{"node_type":"SQL","query":"c"}}',
    'condition_node in IF must be a first-class Durofut field'),
  ('IF', 'nonsense', 'query in IF must be valid JSON config'),
  ('IF', '3', 'query in IF must be valid JSON config'),
  ('IF', '{}', 'condition_node in IF is required'),
  ('IF', '{"condition_type":"moon"}', 'Unknown condition_type'),
  ('IF', '{"condition_type":"result_has_rows"}', 'a result name is NULL'),
  ('IF', '{"condition_type":"result_has_rows","result_name":"a b"}',
    'result name ''a b'' is not a')
) as c(node_type, query, why);
select pg_temp.check_bad_graph('{"node_type":"LOOP","query":"{\"condition_node\":\"c\"}","left_node":'
  || df.sql('a') || '}', 'root', 'condition_node in LOOP must be a first-class Durofut field');
select pg_temp.check_bad_graph(
  replace(df.if_rows('x', 't', 'e'), '"left_node"', '"condition_node":{},"left_node"'),
  'root', 'IF takes condition_node or condition_type, not both');
