select pg_temp.check_same('paths', (
    select string_agg(concat_ws(' ', t.ordinal, t.depth, t.path, t.node_type, t.query), E'\n'
      order by t.ordinal)
    from df.node_tree(df.loop(df.join('a', 'b', 'c') ~> df.if('d', 'e', 'f'), 'g')) t),
  '0 0 root LOOP
1 1 root.body THEN
2 2 root.body.left JOIN
3 3 root.body.left.left SQL a
4 3 root.body.left.right SQL b
5 3 root.body.left.extra_nodes[0] SQL c
6 2 root.body.right IF
7 3 root.body.right.condition_node SQL d
8 3 root.body.right.left SQL e
9 3 root.body.right.right SQL f
10 1 root.condition_node SQL g');
select pg_temp.check_same('links', (
    select concat_ws(' ', t.parent, t.left_path, t.right_path, t.condition_path, t.extra_paths)
    from df.node_tree(df.loop(df.join('a', 'b', 'c'), 'g')) t where t.path = c.path), c.links)
from (values
  ('root', 'root.body root.condition_node'),
  ('root.body', 'root root.body.left root.body.right {root.body.extra_nodes[0]}'),
  ('root.condition_node', 'root')
) as c(path, links);
select pg_temp.check_same('wrappers', (
    select concat_ws(' ', t.result_name, t.retry ->> 'max_attempts', t.node_timeout_seconds)
    from df.node_tree(df.timeout(df.retry_policy('a' |=> 'x', 3), 1.5)) t), 'x 3 1.5');
