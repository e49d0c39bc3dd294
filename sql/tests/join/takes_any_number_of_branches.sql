do $$
declare
  v_pair text := '{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"a"},'
    '"right_node":{"node_type":"SQL","query":"b"}';
  v_third text := ',"extra_nodes":[{"node_type":"SQL","query":"c"}]';
  v_call text;
begin
  perform pg_temp.check_same('positional', df.join('a', 'b'), v_pair || '}');
  perform pg_temp.check_same('by name', df.join(b => 'b', a => 'a'), v_pair || '}');
  perform pg_temp.check_same('texts', df.join('a'::text, 'b'::text), v_pair || '}');
  perform pg_temp.check_same('&', 'a' & 'b', v_pair || '}');
  perform pg_temp.check_same('variadic two', df.join(variadic array['a', 'b']), v_pair || '}');
  perform pg_temp.check_same('three', df.join('a', 'b', 'c'), v_pair || v_third || '}');
  perform pg_temp.check_same('join3', df.join3('a', 'b', 'c'), v_pair || v_third || '}');
  perform pg_temp.check_same('join3 by name', df.join3(c => 'c', a => 'a', b => 'b'),
    df.join3('a', 'b', 'c'));
  perform pg_temp.check_same('nested pairs', 'a' & 'b' & 'c', df.join(df.join('a', 'b'), 'c'));
  v_call := format('select df.join(%s)',
    (select string_agg(quote_literal('select ' || i), ', ' order by i)
     from generate_series(1, 100) i));
  execute v_call into v_call;
  perform pg_temp.check_same('a hundred arguments', v_call,
    df.join(variadic array(select 'select ' || i from generate_series(1, 100) i)));
  assert (select count(*) = 1001 from df.node_tree(df.check_graph(
    df.join(variadic array(select 'select ' || i from generate_series(1, 1000) i)))));
end
$$;
select pg_temp.check_refused('select df.join(''a'')', 'at least two branches');
select pg_temp.check_refused('select df.join(variadic ''{}''::text[])', 'at least two branches');
select pg_temp.check_refused('select df.join(variadic array[''a'', null])', 'is NULL');
