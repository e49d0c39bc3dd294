-- A wait whose time is up looks for signals that nobody has delivered yet. Where one of them decides the race for
-- another branch, this wait has lost: neither is its timeout recorded nor is the relay told that it ended.
begin;
create role test_wait login;
select df.grant_usage('test_wait');
select set_config('test.relay', df.relay_register('test', 600, 1000)::text, true);
create function pg_temp.wait(p_id text, p_path text, p_turn integer, p_seconds double precision, p_ends text)
returns text language sql volatile as $$
  select outcome from df.relay_record(json_build_array(json_build_object(
    'op', 'wait', 'incarnation', current_setting('test.relay'), 'instance', p_id, 'epoch', 1, 'path', p_path,
    'signal', 'go', 'seconds', p_seconds, 'result', json_build_object('timed_out', true), 'within', array['root'],
    'turns', array[p_turn], 'decides', array['root'], 'checkpoints', null, 'ends', p_ends)))
$$;
create function pg_temp.raced(p_id text, p_ends text) returns text language plpgsql volatile as $$
declare
  v_said text := pg_temp.wait(p_id, 'root.left_node', 0, 3600, p_ends)
                 || ' ' || pg_temp.wait(p_id, 'root.right_node', 1, 0.05, p_ends);
begin
  perform pg_sleep(0.1);
  set local role test_wait;
  perform df.signal(p_id, 'go', '1');
  reset role;
  v_said := v_said || ' ' || pg_temp.wait(p_id, 'root.right_node', 1, 0.05, p_ends);
  return v_said || ': ' || (select string_agg(concat_ws(' ', run_path, status, turn, result ->> 'timed_out'), ', '
                                              order by run_path) from df.node_runs where instance_id = p_id);
end
$$;
set local role test_wait;
select df.start(df.wait_for_signal('go') | df.wait_for_signal('go', 1)) as ends,
       df.start((df.wait_for_signal('go') | df.wait_for_signal('go', 1)) ~> 'select 1') as goes_on \gset
reset role;
select count(*) from df.relay_claim(current_setting('test.relay')::uuid, 10);
select pg_temp.check_same('a race that goes on', pg_temp.raced(:'goes_on', null),
  'waiting waiting DF003: root decided 0, root.left_node completed false, root.right_node waiting');
select pg_temp.check_same('a race that ends its instance', pg_temp.raced(:'ends', 'completed'),
  'waiting waiting DF001: root decided 0, root.left_node completed false, root.right_node waiting');
rollback;
