-- What everybody reads with `select *` begins with the contract's columns, in its order.
select pg_temp.check_same(c.relation, (
  select left(string_agg(a.attname, ', ' order by a.attnum), length(c.columns)) from pg_attribute a
   where a.attrelid = c.relation::regclass and a.attnum > 0 and not a.attisdropped), c.columns)
from (values
  ('df.instances', 'id, label, root_node, submitted_by, status, database, created_at, updated_at, completed_at'),
  ('df.nodes', 'id, instance_id, node_type, query, result_name, left_node, right_node, status, result, error, '
    'submitted_by, database, status_details, created_at, updated_at'),
  ('df.vars', 'name, value, owner')) as c(relation, columns);
