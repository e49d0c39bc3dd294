do $$
declare
  v_graph text;
begin
  foreach v_graph in array array[
    df.sql('select 1'), df.sql(E'--x\n\tselect ''\\é"'''), 'a' |=> 'x', 'a' ~> 'b',
    'a' ~> 'b' |=> 'x',
    'a' & 'b', df.join3('a', 'b', 'c'), df.join('a', 'b', 'c', 'd') |=> 'x', 'a' | 'b',
    'c' ?> 't' !> 'e', df.if_rows('x', 't', 'e'), @> 'b', df.loop('b', 'c') |=> 'x', df.break(),
    df.break(E'a"\\\n'), df.sleep(5), df.sleep_interval('1 ms'), df.wait_for_schedule('* * * * *'),
    df.wait_for_signal('s'), df.wait_for_signal('s', 3) |=> 'x', df.http('http://a'),
    df.http('http://a', 'GET', E'é"\\', '{"b": "1"}', 3),
    df.http_multipart('http://a', 'PUT', '[{"name": "n", "data_b64": "YQ=="}]'),
    df.retry_policy('a', 3, on_sqlstate => array['40001', '40P01']),
    df.timeout(df.retry_policy('a', 3), 1.5) ~> 'b', df.timeout('a' & 'b', 3) |=> 'x',
    df.join(df.timeout(df.join3('a', 'b', 'c'), 4), 'b', df.loop('a' | 'b', 'c'))
  ] loop
    perform pg_temp.check_same('checked', df.check_graph(v_graph), v_graph);
  end loop;
end
$$;
