-- Whether a backslash escapes is the caller's setting, by which the bodies of functions are read too. A
-- session keeps what it has read, so each setting has one of its own.
create function public.refusal(p_expression text) returns text language plpgsql as $$
begin
  execute 'select ' || p_expression;
  return 'accepted';
exception when others then
  return sqlstate || ' ' || sqlerrm;
end
$$;
create table public.built (ordinal int generated always as identity, expression text, under_off text);
insert into public.built (expression) values
  ($$df.sql(E'select E''a\\tb'', ''\\''')$$),
  ($$df.sql(E' {"node_type": "SQL", "query": "select ''\\"\\\\''"} ')$$),
  ($$'a' ~> 'b' & 'c' | 'd'$$),
  ($$df.as('a', 'x')$$),
  ($$df.as(df.as(df.as(E'say "\\"', 'x'), 'y'), 'z')$$),
  ($$df.join3('a', 'b', 'c') & df.join('a', 'b', 'c', 'd')$$),
  ($$('c' ?> 't' !> 'e') |=> 'r'$$),
  ($$df.if_rows('r', 'a', 'b')$$),
  ($$df.loop('a', 'b') ~> @> 'c'$$),
  ($$df.break(E'{"a": "\\\\n"}')$$),
  ($$df.sleep(5) ~> df.sleep_interval('1.5 seconds')$$),
  ($$df.wait_for_schedule('*/5 0-6 1,15 jan-mar mon-fri')$$),
  ($$df.wait_for_signal(E'n\\a', 5)$$),
  ($$df.http('https://a/b', 'GET', E'{"a": "\\t"}', '{"A": "b c"}')$$),
  ($$df.http_multipart('https://a', 'PUT', '[{"name": "n", "data_b64": "YW Jj"}]')$$),
  ($$df.retry_policy(df.timeout('a', 1.5), 3, on_sqlstate => '{40001}')$$),
  ($$df.check_graph(E'{"node_type":"SQL","query":"select ''\\u0061 b''","result_name":"r"}')$$),
  ($$df.check_graph('{"node_type":"SLEEP","query":" 1e1 "}')$$),
  ($$df.explain(df.seq(E'select\n 1', df.sleep(1)))$$),
  ($$df.explain('df.sleep(1) & ''a''')$$),
  ($$df.explain(E'-- c\nselect 1', 'mermaid')$$),
  ($$df.truth(E'{"rows":[{"a":"\\u0000"}],"row_count":1}')::text || df.truth('{"rows":[{"a":" 0.0 "}],"row_count":1}')$$),
  ($$df.static_path('root.body[3].left.condition_node[12]')$$),
  ($$df.configure('retention_days', '1.5')$$),
  ($$(select string_agg(c.expression || ': ' || public.refusal(c.expression), e'\n') from (values
      ('df.sql('' '')'), ('df.sql(''[1]'')'), ('df.sql(''{"a":1}'')'), ('df.sql(''df.sleep(1)'')'),
      ('df.sql('' OK '')'), ('df.wait_for_schedule(''61 * * * *'')'), ('df.wait_for_schedule(''x * * * *'')'),
      ('df.timeout(''a'', ''NaN'')'), ('df.http('' '')'), ('df.http(''ftp://a'')'),
      ('df.http(''http://a'', headers => ''{"a b": "c"}'')'), ('df.sleep(-1)'), ('df.as(''a'', ''1'')'),
      ('df.check_graph(''{"node_type":"SQL","query":" "}'')'),
      ('df.check_graph(''{"node_type":"SLEEP","query":"s"}'')')) as c(expression))$$);

set standard_conforming_strings = off;
set escape_string_warning = off;
do $$
declare
  v_form record;
  v_value text;
begin
  for v_form in select * from public.built loop
    execute 'select ' || v_form.expression into v_value;
    update public.built b set under_off = coalesce(v_value, 'NULL') where b.ordinal = v_form.ordinal;
  end loop;
end
$$;
begin;
create role test_escapes login;
select df.grant_usage('test_escapes');
set local role test_escapes;
select df.start('select 1' ~> 'select 2') \gset
select df.why(:'start'), df.pause(:'start'), df.status(:'start'), df.cancel(:'start');
select df.assert_structural_invariants(:'start');
select * from df.instance_nodes(:'start');
select * from df.nodes;
rollback;

\connect
\ir ../_support.sql
do $$
declare
  v_form record;
  v_value text;
begin
  for v_form in select * from public.built loop
    execute 'select ' || v_form.expression into v_value;
    perform pg_temp.check_same(v_form.expression || ' with standard_conforming_strings off',
      v_form.under_off, coalesce(v_value, 'NULL'));
  end loop;
end
$$;
