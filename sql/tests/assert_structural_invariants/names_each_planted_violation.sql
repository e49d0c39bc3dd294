-- One sound instance of every kind breaks no invariant; each violation, planted, is named.
begin;
create role test_inv login;
select df.grant_usage('test_inv');

-- p_runs: [[run path, status, second it ended (null: not yet), turn, epoch], …]. Compares
-- "invariant@node" of every violation, in order. p_set is applied to the instance, p_also run after.
create function pg_temp.check(
    p_claim text, p_graph text, p_status text, p_runs json, p_expected text,
    p_set text default 'label = null', p_also text default 'select 1') returns void language plpgsql as $$
declare
    v_graph bigint;
    v_found text;
begin
    delete from df.node_runs;
    delete from df.signals;
    delete from df.outbox;
    delete from df.instances;
    insert into df.graphs (hash, graph, owner) values (sha256('1'), df.check_graph(p_graph), 'test_inv')
        returning id into v_graph;
    insert into df.instances (id, graph_id, submitted_by, status, epoch, ended_at, completed_at)
    values ('invaaaaa', v_graph, 'test_inv', p_status, 3,
            case when p_status <> 'running' then '2030-01-01 00:01:00+00'::timestamptz end,
            case when p_status = 'completed' then now() end);
    insert into df.node_runs (instance_id, run_path, status, ended_at, turn, epoch, created_at, error, result)
    select 'invaaaaa', r ->> 0, r ->> 1, '2030-01-01 00:00+00'::timestamptz + (r ->> 2)::integer * interval '1 second',
           (r ->> 3)::integer, coalesce((r ->> 4)::bigint, 1), '2030-01-01 00:00+00',
           case r ->> 1 when 'failed' then 'boom' end, case r ->> 1 when 'completed' then 'true'::json end
      from json_array_elements(p_runs) r;
    execute 'update df.instances set ' || p_set;
    execute p_also;
    set local role test_inv;
    select string_agg(distinct a.invariant || '@' || substr(a.node_id, 10), ' ') into v_found
      from df.assert_structural_invariants('invaaaaa') a;
    reset role;
    if v_found is distinct from p_expected then
        raise exception E'%:\n  found    %\n  expected %', p_claim, v_found, p_expected;
    end if;
end
$$;

select pg_temp.check('a sound sequence', df.seq('a', 'b'), 'completed', '[["root.left","completed",1],["root.right","completed",2]]', null);
select pg_temp.check('a sound run in progress', df.seq(df.join('a', df.sleep(5)), 'b'), 'running',
    '[["root.left.left","completed",1],["root.left.right","waiting",null]]', null);
select pg_temp.check('a sound failure', df.join('a', df.seq('b', 'c')), 'failed',
    '[["root.left","completed",1],["root.right.left","failed",2]]', null);
select pg_temp.check('a sound cancel', df.seq(df.sleep(5), 'b'), 'cancelled', '[["root.left","waiting",null]]', null);
select pg_temp.check('a sound race', df.race(df.seq('a', 'b'), df.sleep(5)), 'completed',
    '[["root.left.left","completed",1],["root.left.right","completed",2],["root","decided",2,0],["root.right","waiting",null]]', null);
select pg_temp.check('a sound choice on rows', df.seq(df.as('a', 'x'), df.if_rows('x', 'b', 'c')), 'completed',
    '[["root.left","completed",1],["root.right","decided",2,0],["root.right.right","completed",3]]', null);
select pg_temp.check('a sound loop with its checkpoint and a kept run', df.loop(df.seq(df.as('a', 'x'), 'b'), 'c'), 'running',
    '[["root","checkpoint",null,32],["root.body[31].left","completed",1],["root.body[32].left","completed",2],'
    '["root.body[32].right","completed",3],["root.condition_node[32]","completed",4],["root.body[33].left","completed",5]]',
    null, 'label = null',
    $$update df.node_runs set detail = '[["x",{"run":"root.body[31].left"}]]' where status = 'checkpoint'$$);
select pg_temp.check('a kept run of an inner loop whose outer loop went on', df.loop(df.loop(df.as('a', 'x'), 'b')), 'running',
    '[["root","checkpoint",null,3],["root.body[2].body[77]","completed",1],["root.body[3].body[0]","completed",2]]', null,
    'label = null', $$update df.node_runs set detail = '[["x",{"run":"root.body[2].body[77]"}]]' where status = 'checkpoint'$$);
select pg_temp.check('a sound break', df.loop(df.seq(df.join('a', df.break()), 'b'), 'c'), 'completed',
    '[["root.body[0].left.left","completed",1],["root.body[0].left.right","completed",2]]', null);
select pg_temp.check('an instance that could not begin', df.seq('a', 'b'), 'failed', '[]', null, $$error_path = 'root', error = 'its graph is damaged'$$);

select pg_temp.check('a leaf that never ended', df.seq('a', 'b'), 'completed', '[["root.left","completed",1]]',
    'every_reachable_node_completed@root every_reachable_node_completed@root.right');
select pg_temp.check('a failure that the instance does not tell', 'a', 'completed', '[["root","failed",1]]',
    'every_reachable_node_completed@root');
select pg_temp.check('a run with a counter outside any loop', df.seq('a', 'b'), 'running',
    '[["root.left","completed",1],["root.left[1]","completed",2]]', 'single_execution_outside_loop@root.left[1]');
select pg_temp.check('a run of no node', 'a', 'running', '[["root.left","completed",1]]', 'single_execution_outside_loop@root.left');
select pg_temp.check('a run in a loop without its counter', df.loop('a'), 'running', '[["root.body","completed",1]]',
    'loop_body_iteration_count_matches@root.body');
select pg_temp.check('an iteration that is missing', df.loop('a'), 'running',
    '[["root.body[0]","completed",1],["root.body[2]","completed",2]]', 'loop_body_iteration_count_matches@root');
select pg_temp.check('an iteration after the checkpoint that is missing', df.loop('a'), 'running',
    '[["root","checkpoint",null,4],["root.body[5]","completed",2]]', 'loop_body_iteration_count_matches@root');
select pg_temp.check('a loop that did not ask its condition', df.loop('a', 'b'), 'running',
    '[["root.body[0]","completed",1],["root.body[1]","completed",2]]', 'loop_body_iteration_count_matches@root');
select pg_temp.check('a race with a third winner', df.race('a', 'b'), 'running', '[["root.left","completed",1],["root","decided",2,2]]',
    'race_loser_terminal@root');
select pg_temp.check('a loser that records after the decision', df.race('a', 'b'), 'completed',
    '[["root.left","completed",1],["root","decided",2,0],["root.right","completed",3]]', 'race_loser_terminal@root');
select pg_temp.check('a winner that has not ended', df.race('a', 'b'), 'running', '[["root","decided",2,0]]', 'race_loser_terminal@root');
select pg_temp.check('a race without a winner', df.race('a', 'b'), 'completed',
    '[["root.left","completed",1],["root.right","completed",2]]', 'every_reachable_node_completed@root race_loser_terminal@root');
select pg_temp.check('a join that is passed with an open branch', df.seq(df.join('a', 'b'), 'c'), 'running',
    '[["root.left.left","completed",1],["root.right","completed",2]]',
    'join_all_branches_completed@root.left nothing_runs_before_its_turn@root.right');
select pg_temp.check('a join that is open at the end', df.join('a', 'b'), 'completed', '[["root.left","completed",1]]',
    'every_reachable_node_completed@root every_reachable_node_completed@root.right join_all_branches_completed@root');
select pg_temp.check('an arm that was not taken', df.if('a', 'b', 'c'), 'running',
    '[["root.condition_node","completed",1],["root.right","completed",2]]', 'nothing_runs_before_its_turn@root.right');
select pg_temp.check('a run that ended before it began', 'a', 'running', '[["root","completed",-1]]', 'node_status_monotonic@root');
select pg_temp.check('a wait that is over and waits', df.sleep(5), 'running', '[["root","waiting",1]]', 'node_status_monotonic@root');
select pg_temp.check('a completed run that never ended', 'a', 'running', '[["root","completed",null]]', 'node_status_monotonic@root');
select pg_temp.check('a failure with a result', 'a', 'running', '[["root","failed",1]]', 'node_status_monotonic@root', 'label = null',
    $$update df.node_runs set result = '1'$$);
select pg_temp.check('an instance that runs and has ended', 'a', 'running', '[]', 'node_status_monotonic@root',
    $$ended_at = '2030-01-01 00:01:00+00'$$);
select pg_temp.check('a failed instance that was completed', 'a', 'failed', '[["root","failed",1]]', 'node_status_monotonic@root',
    'completed_at = ended_at');
select pg_temp.check('an instance that runs and was completed', 'a', 'running', '[]', 'node_status_monotonic@root', 'completed_at = now()');
select pg_temp.check('a completed instance that does not say when', 'a', 'completed', '[["root","completed",1]]', 'node_status_monotonic@root',
    'completed_at = null');
select pg_temp.check('a cancelled instance that has not ended', df.seq(df.sleep(5), 'b'), 'cancelled', '[["root.left","waiting",null]]',
    'node_status_monotonic@root', 'ended_at = null');
select pg_temp.check('a step with a turn', 'a', 'running', '[["root","completed",1,0]]', 'node_status_monotonic@root');
select pg_temp.check('a name that is kept twice', df.loop(df.as('a', 'x')), 'running',
    '[["root","checkpoint",null,1],["root.body[1]","completed",1]]', 'result_name_uniqueness@root', 'label = null',
    $$update df.node_runs set detail = '[["x","null"],["x","null"]]' where status = 'checkpoint'$$);
select pg_temp.check('a name whose run is gone', df.loop(df.as('a', 'x')), 'running',
    '[["root","checkpoint",null,1],["root.body[1]","completed",1]]', 'result_name_uniqueness@root', 'label = null',
    $$update df.node_runs set detail = '[["x",{"run":"root.body[0]"}]]' where status = 'checkpoint'$$);
select pg_temp.check('one execution under two run paths', df.loop('a'), 'running',
    '[["root.body[0]","completed",1],["root.body[00]","completed",1]]', 'step_effects_recorded_once@root.body');
select pg_temp.check('a construct beside its leaves', df.seq('a', 'b'), 'completed',
    '[["root.left","completed",1],["root.right","completed",2],["root","completed",3]]', 'step_effects_recorded_once@root');
select pg_temp.check('a decision of a leaf', 'a', 'running', '[["root","decided",1,0]]', 'step_effects_recorded_once@root');
select pg_temp.check('a signal taken by a wait that still waits', df.wait_for_signal('go'), 'running', '[["root","waiting",null]]',
    'step_effects_recorded_once@root', 'label = null',
    $$insert into df.signals (instance_id, key, name, submitted_by, consumed_at, consumed_by)
      values ('invaaaaa', 'n/1', 'go', 'test_inv', now(), 'root')$$);
select pg_temp.check('a run of an epoch to come', 'a', 'running', '[["root","completed",1,null,4]]', 'no_write_under_stale_epoch@root');
select pg_temp.check('a run of an epoch that was over', df.seq('a', 'b'), 'running',
    '[["root.left","completed",1,null,2],["root.right","completed",2,null,1]]', 'no_write_under_stale_epoch@root.right');
select pg_temp.check('a run after the cancel', df.seq('a', 'b'), 'cancelled',
    '[["root.left","completed",1],["root.right","completed",61]]', 'nothing_committed_after_cancel@root.right');
select pg_temp.check('the run that cancelled its own instance', df.seq('a', 'b'), 'cancelled', '[["root.left","completed",61]]', null,
    'ending_xid = pg_current_xact_id()');
select pg_temp.check('a run after the end', df.race('a', 'b'), 'completed',
    '[["root.left","completed",1],["root","decided",2,0],["root.right","completed",61]]',
    'nothing_committed_after_end@root.right race_loser_terminal@root');

do $$
begin
    assert not exists (select from df.assert_structural_invariants('invaaaaa', array['nothing_committed_after_end', 'race_loser_terminal'])),
        'skipped invariants are named';
    assert (select count(*) from df.assert_structural_invariants('invaaaaa', null)) = 2;
    assert not exists (select from df.assert_structural_invariants('nothere1'));
end
$$;
rollback;
