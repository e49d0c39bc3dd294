-- A field that is null says no more than one that is left out, on every node that may have it.
select pg_temp.check_same(c.node_type || ' without extra_nodes', df.check_graph(c.graph), c.expected),
       pg_temp.check_same(c.node_type || ' drawn', df.explain(c.graph), df.explain(c.expected))
from (
  select n.node_type, n.expected, left(n.expected, -1) || ',"extra_nodes":null}' as graph
  from (values ('SQL', df.sql('a')), ('THEN', df.seq('a', 'b')), ('JOIN', df.join('a', 'b')),
    ('RACE', df.race('a', 'b')), ('IF', df.if('c', 't', 'e')), ('IF on rows', df.if_rows('r', 't', 'e')),
    ('LOOP', df.loop('a', 'c'))) as n(node_type, expected)
) as c;
select pg_temp.check_same('every field null', df.check_graph($$
  {"node_type":"LOOP","query":null,"result_name":null,"condition_node":null,"left_node":
    {"node_type":"JOIN","query":null,"left_node":{"node_type":"SQL","query":"a","left_node":null,"extra_nodes":null},
     "right_node":{"node_type":"SQL","query":"b","retry":null},"condition_node":null,"extra_nodes":null,
     "node_timeout_seconds":null},
   "right_node":null,"extra_nodes":null,"retry":null}$$), df.loop(df.join('a', 'b')));
-- And it starts.
begin;
create role test_nulls login;
select df.grant_usage('test_nulls');
set local role test_nulls;
select df.start('{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"select 1"},'
  '"right_node":{"node_type":"SQL","query":"select 2"},"extra_nodes":null}');
rollback;
