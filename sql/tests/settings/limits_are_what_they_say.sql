-- Every limit that a caller can run into is listed. A fixed one holds as listed, is refused in plain words a step beyond
-- it, and is nobody's to change.
begin;
create role test_limits login;
select df.grant_usage('test_limits');
create function pg_temp.fixed(p_name text) returns bigint language sql security definer as
$$ select s.value::bigint from df.settings s where s.name = p_name and s.kind = 'fixed' and s.default_value = s.value and s.meaning <> '' $$;

-- p_call: a call with the limit's own value for %s. p_beyond: what the next one says; null where it is cut instead.
create function pg_temp.check(p_name text, p_call text, p_sqlstate text, p_beyond text) returns void language plpgsql as $$
declare
    v_most bigint := pg_temp.fixed(p_name);
begin
    if v_most is null then
        raise exception 'df.settings does not list %', p_name;
    end if;
    execute 'select ' || replace(p_call, '%s', v_most::text);
    perform pg_temp.check_refused('select ' || replace(p_call, '%s', (v_most + 1)::text), p_beyond, p_sqlstate);
    perform pg_temp.check_tried(p_name);
end
$$;
create temp table tried (name text);
create function pg_temp.check_tried(p_name text) returns void language sql security definer as
$$ insert into pg_temp.tried values (p_name) $$;

set local role test_limits;
select pg_temp.check('max_label_bytes', $$df.start('select 1', repeat('x', %s))$$, '54000', 'the label has 4097 bytes, more than the 4096');
select pg_temp.check('max_label_bytes', $$df.start_once('label', 'select 1', repeat('x', %s))$$, '54000', 'the label has 4097 bytes');
select pg_temp.check('max_start_key_bytes', $$df.start_once(repeat('x', %s), 'select 1')$$, '22023', '1 to 1024 bytes');
select pg_temp.check('max_graph_depth', $$df.check_graph(pg_temp.chain(%s))$$, '22023', 'maximum nesting depth of 256');
select pg_temp.check('max_graph_nodes', $$df.check_graph(df.join(variadic array_fill('a'::text, array[%s - 1])))$$, '22023',
    'maximum of 10000 nodes');
select pg_temp.check('max_variable_name_bytes', $$df.setvar(repeat('x', %s), '')$$, '22023', '1 to 1024 bytes');
select pg_temp.check('max_variable_bytes', $$df.setvar('a', repeat('x', %s))$$, '54000', 'the variable has 1048577 bytes, more than the 1048576');
select df.clearvars();
select df.start(df.wait_for_signal('go')) as id \gset
select set_config('test.id', :'id', true);
select pg_temp.check('max_signal_name_bytes', $$df.wait_for_signal(repeat('x', %s))$$, '22023', 'at most 1024 bytes');
select pg_temp.check('max_signal_name_bytes', $$df.signal(current_setting('test.id'), repeat('x', %s))$$, '22023', '1 to 1024 bytes');
select pg_temp.check('max_signal_key_bytes', $$df.signal_once(repeat('x', %s), current_setting('test.id'), 'go')$$, '22023', '1 to 1000 bytes');
select pg_temp.check('max_sleep_seconds', $$df.sleep(%s)$$, '22023', 'at most 100000000000');
select pg_temp.check('max_sleep_seconds', $$df.timeout('a', %s)$$, '22023', 'at most 100000000000');
select pg_temp.check('max_sleep_seconds',
    $$df.check_graph('{"node_type":"SIGNAL","query":"{\"signal_name\":\"s\",\"timeout_seconds\":%s}"}')$$, '22023', 'at most 100000000000');
select pg_temp.check('max_retry_attempts', $$df.retry_policy('a', %s)$$, '22023', 'from 1 to 1000000');
select pg_temp.check('max_retry_factor', $$df.retry_policy('a', 2, factor => %s)$$, '22023', 'from 1 to 1000');
select pg_temp.check('max_retry_seconds', $$df.retry_policy('a', 2, max_seconds => %s)$$, '22023', 'from 0 to 100000000');
select pg_temp.check('max_retry_seconds', $$df.retry_policy('a', 2, initial_seconds => %s)$$, '22023', 'from 0 to 100000000');
select df.cancel(:'id', repeat('x', 10001));
reset role;
select pg_temp.check_same('a long reason is cut', (select length(i.error)::text from df.instances i where i.id = :'id'),
    pg_temp.fixed('max_cancel_reason_characters')::text);
-- Those that are left are the relay's own: MAX_EXPANDED_ROWS, MAX_RESULT_DEPTH and MAX_SUBSTITUTED_BYTES.
select pg_temp.check_same('not tried', (
    select string_agg(s.name || ' ' || s.value, ', ' order by s.name) from df.settings s
     where s.kind = 'fixed' and s.name not in (select t.name from tried t)),
    'max_cancel_reason_characters 10000, max_expanded_rows 10000, max_result_depth 1000, max_substituted_bytes 67108864');
select pg_temp.check_refused($$ select df.configure('max_label_bytes', '8192') $$, 'setting max_label_bytes is fixed');
select pg_temp.check_refused($$ select df.configure('max_label_bytes', null) $$, 'setting max_label_bytes is fixed');
set local role test_limits;
select pg_temp.check_same('only for admins', (select count(*)::text from df.settings), '0');
rollback;
