select pg_temp.check_same(c.input, df.explain(c.input), c.expected) from (values
  ('select 1', 'SQL: select 1'),
  (E'(select\n 1) union select 2', 'SQL: (select 1) union select 2'),
  ('with a as (select 1) select', 'SQL: with a as (select 1) select'),
  ('{stmt}', 'SQL: {stmt}'),
  ('ROLLBACK', 'SQL: ROLLBACK'),
  ('a1B2c3D4', 'Instance not found or access denied: a1B2c3D4'),
  ('AbCdEfGh', 'Instance not found or access denied: AbCdEfGh'),
  (df.sleep(30), 'SLEEP 30s'),
  ('df.sleep(30)', 'SLEEP 30s'),
  ('''a'' ~> ''b''', E'SQL: a\n→ SQL: b'),
  ('  (''a'' ~> ''b'') -- c', E'SQL: a\n→ SQL: b'),
  (E'/* c */ ''a'' /* d */ ~> ''b''', E'SQL: a\n→ SQL: b'),
  (E'-- c\n(/**//* ''*'' / **/ ''a'' ~> ''b'')', E'SQL: a\n→ SQL: b'),
  ('/* c */ select 1', 'SQL: /* c */ select 1'),
  ('df.sleep(1);', 'SLEEP 1s'),
  (E'''a;'' ~> $$b;$$ ; -- c; d\n;\n', E'SQL: a;\n→ SQL: b;'),
  ('''a; -- b'' ~> ''c''', E'SQL: a; -- b\n→ SQL: c'),
  ('''a''; select 1', 'Invalid durable function graph: root: syntax error at or near ";"'),
  ('select 1;', 'SQL: select 1;'),
  ('@> ''a''', E'LOOP\n└─ body: SQL: a'),
  ('format(''select %s'', 1) ~> $$b$$', E'SQL: select 1\n→ SQL: b'),
  ('{"node_type":"X"}', 'Invalid durable function graph: root: Unknown node_type ''X'''),
  ('''a'' |=> ''1x''', 'Invalid durable function graph: root: df.as: result name ''1x'' is not a '
    'valid identifier: letters, digits and underscores, not starting with a digit'),
  ('df.sql(null)', 'Invalid durable function graph: root: df.sql: a step is NULL, where a statement'
    ' or a node was expected'),
  ('lower(null)', 'Invalid durable function graph: root: the expression gives NULL'),
  ('''a'' ~>', 'Invalid durable function graph: root: syntax error at or near ")"'),
  ('''a''), (''b''', 'Invalid durable function graph: root: subquery must return only one column')
) as c(input, expected);
select pg_temp.check_same('mermaid', df.explain('select 1', format => 'mermaid'),
  E'flowchart TD\n  n0["SQL: select 1"]');
