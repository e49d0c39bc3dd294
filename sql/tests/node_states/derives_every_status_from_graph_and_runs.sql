-- Every rule by which a node's state follows from the graph and the recorded runs. A case gives the
-- graph, the instance's status, the runs that are recorded and the state of each node as
-- `path=status`, with `/inferred@ancestor` where the inferred status adds to it.
begin;

-- p_runs: [[run path, status, result, turn or null, error], …]
create function pg_temp.check(
    p_claim text, p_graph text, p_status text, p_runs json, p_expected text) returns void
    language plpgsql as $$
declare
    v_graph bigint;
    v_id    text;
    v_found text;
    v_ended boolean := p_status in ('completed', 'failed', 'cancelled');
begin
    insert into df.graphs (hash, graph) values (sha256(convert_to(p_graph, 'UTF8')), df.check_graph(p_graph))
        returning id into v_graph;
    insert into df.instances (graph_id, status, epoch, ended_at, completed_at, error)
    values (v_graph, p_status, case p_status when 'pending' then 0 else 1 end,
            case when v_ended then now() end, case p_status when 'completed' then now() end,
            case p_status when 'failed' then 'the instance failed' end)
    returning id into v_id;
    insert into df.node_runs (instance_id, run_path, status, result, turn, error, epoch)
    select v_id, r ->> 0, r ->> 1, r -> 2, (r ->> 3)::integer, r ->> 4, 1
      from json_array_elements(p_runs) r;
    select string_agg(substr(s.path, 6) || '=' || s.status
               || case when s.inferred_status_from_ancestor_id is not null
                       then format('/%s@%s', s.inferred_status, substr(s.inferred_status_from_ancestor_id, 10))
                       else '' end, ' ' order by s.path collate "C")
      into v_found from df.node_states(v_id) s;
    v_found := replace('root' || v_found, 'root=', '=');
    if v_found is distinct from p_expected then
        raise exception E'%:\n  found    %\n  expected %', p_claim, v_found, p_expected;
    end if;
    if v_ended and exists (select from df.node_states(v_id) s where s.inferred_status in ('pending', 'running')) then
        raise exception '%: a node of an ended instance is inferred pending or running', p_claim;
    end if;
end
$$;

select pg_temp.check('a pending instance has pending nodes', df.seq('a', 'b'), 'pending', '[]',
    '=pending left=pending right=pending');
select pg_temp.check('the first leaf of a running instance runs', df.seq('a', 'b'), 'running', '[]',
    '=running left=running right=pending');
select pg_temp.check('a waiting wait runs', df.seq('a', df.sleep(5)), 'running',
    '[["root.left","completed",1],["root.right","waiting",null]]',
    '=running left=completed right=running');
select pg_temp.check('a request that was sent runs', df.sleep(1), 'running',
    '[["root","intent",null]]', '=running');
select pg_temp.check('a sequence completes with its right side', df.seq('a', 'b'), 'completed',
    '[["root.left","completed",1],["root.right","completed",2]]',
    '=completed left=completed right=completed');
select pg_temp.check('the right side of a failed sequence is skipped', df.seq('a', df.seq('b', 'c')),
    'failed', '[["root.left","failed",null,null,"boom"]]',
    '=failed left=failed right=pending/skipped@root right.left=pending/skipped@root right.right=pending/skipped@root');
select pg_temp.check('a cancelled instance cancels what was reached and skips the rest',
    df.seq(df.sleep(5), 'b'), 'cancelled', '[["root.left","waiting",null]]',
    '=cancelled/cancelled@root left=cancelled/cancelled@root right=pending/skipped@root');
select pg_temp.check('all branches of a join are reached at once', df.join('a', 'b', 'c'), 'running',
    '[["root.right","completed",1]]',
    '=running extra_nodes[0]=running left=running right=completed');
select pg_temp.check('a join with a failed branch still waits for the others', df.join('a', 'b'), 'running',
    '[["root.left","failed",null,null,"boom"]]', '=running left=failed right=running');
select pg_temp.check('a join fails with its failed branch', df.join('a', 'b'), 'failed',
    '[["root.left","completed",1],["root.right","failed",null,null,"boom"]]',
    '=failed left=completed right=failed');
select pg_temp.check('the loser of a race is skipped', df.race(df.seq('a', 'b'), df.sleep(5)), 'completed',
    '[["root.left.left","completed",1],["root.left.right","completed",2],["root","decided",null,0],["root.right","waiting",null]]',
    '=completed left=completed left.left=completed left.right=completed right=cancelled/skipped@root');
select pg_temp.check('a loser keeps the steps it had completed', df.race(df.seq('a', df.seq('b', 'c')), 'd'), 'completed',
    '[["root.left.left","completed",1],["root.right","completed",2],["root","decided",null,1]]',
    '=completed left=cancelled/skipped@root left.left=completed left.right=cancelled/skipped@root'
    ' left.right.left=cancelled/skipped@root left.right.right=pending/skipped@root right=completed');
select pg_temp.check('a race is failed by a branch that fails first', df.race('a', df.sleep(5)), 'failed',
    '[["root.left","failed",null,null,"boom"],["root","decided",null,0]]',
    '=failed left=failed right=cancelled/skipped@root');
select pg_temp.check('a true condition takes the left arm', df.if('a', 'b', 'c'), 'running',
    '[["root.condition_node","completed",{"rows":[{"x":true}],"row_count":1}]]',
    '=running condition_node=completed left=running right=pending/skipped@root');
select pg_temp.check('a false condition takes the right arm', df.if('a', 'b', 'c'), 'completed',
    '[["root.condition_node","completed",{"rows":[],"row_count":0}],["root.right","completed",1]]',
    '=completed condition_node=completed left=pending/skipped@root right=completed');
select pg_temp.check('the condition may be a construct', df.if(df.seq('a', 'b'), 'c', 'd'), 'running',
    '[["root.condition_node.left","completed",1],["root.condition_node.right","completed",{"rows":[{"x":0}],"row_count":1}]]',
    '=running condition_node=completed condition_node.left=completed condition_node.right=completed'
    ' left=pending/skipped@root right=running');
select pg_temp.check('a failed condition skips both arms', df.if('a', 'b', 'c'), 'failed',
    '[["root.condition_node","failed",null,null,"boom"]]',
    '=failed condition_node=failed left=pending/skipped@root right=pending/skipped@root');
select pg_temp.check('rows decide for the left arm', df.seq(df.as('a', 'x'), df.if_rows('x', 'b', 'c')), 'running',
    '[["root.left","completed",1],["root.right","decided",null,1]]',
    '=running left=completed right=running right.left=running right.right=pending/skipped@root.right');
select pg_temp.check('no rows decide for the right arm', df.if_rows('x', 'b', 'c'), 'completed',
    '[["root","decided",null,0],["root.right","completed",2]]',
    '=completed left=pending/skipped@root right=completed');
select pg_temp.check('a choice on rows that is not made has pending arms', df.if_rows('x', 'b', 'c'), 'running', '[]',
    '=running left=pending right=pending');
select pg_temp.check('a loop whose body has ended goes on', df.loop(df.seq('a', 'b')), 'running',
    '[["root.body[0].left","completed",1],["root.body[0].right","completed",2]]',
    '=running body=running body.left=running body.right=pending');
select pg_temp.check('the latest iteration counts', df.loop(df.seq('a', 'b')), 'running',
    '[["root.body[9].left","completed",1],["root.body[9].right","completed",2],["root.body[10].left","completed",3]]',
    '=running body=running body.left=completed body.right=running');
select pg_temp.check('a checkpoint counts where its iteration has no run', df.loop(df.seq('a', 'b')), 'running',
    '[["root","checkpoint",null,7],["root.body[3].left","completed",1]]',
    '=running body=running body.left=running body.right=pending');
select pg_temp.check('a loop asks its condition after its body', df.loop('a', 'b'), 'running',
    '[["root.body[0]","completed",1]]', '=running body=completed condition_node=running');
select pg_temp.check('a loop ends when its condition is false', df.loop('a', 'b'), 'completed',
    '[["root.body[0]","completed",1],["root.condition_node[0]","completed",{"rows":[{"x":true}],"row_count":1}],'
    '["root.body[1]","completed",1],["root.condition_node[1]","completed",{"rows":[{"x":"no"}],"row_count":1}]]',
    '=completed body=completed condition_node=completed');
select pg_temp.check('a break completes what it unwinds, and its loop', df.loop(df.seq(df.seq('a', df.break()), 'c'), 'd'), 'completed',
    '[["root.body[2].left.left","completed",1],["root.body[2].left.right","completed",null]]',
    '=completed body=completed body.left=completed body.left.left=completed body.left.right=completed'
    ' body.right=pending/skipped@root.body condition_node=pending/skipped@root');
select pg_temp.check('a break in a branch waits for the join', df.loop(df.join(df.break(), 'b')), 'running',
    '[["root.body[0].left","completed",null]]', '=running body=running body.left=completed body.right=running');
select pg_temp.check('a break in a condition ends that loop', df.loop('a', df.break()), 'completed',
    '[["root.body[0]","completed",1],["root.condition_node[0]","completed",null]]',
    '=completed body=completed condition_node=completed');
select pg_temp.check('a break outside any loop fails', df.seq(df.break(), 'b'), 'failed',
    '[["root.left","completed",null]]', '=failed left=failed right=pending/skipped@root');
select pg_temp.check('a failed body fails its loop', df.loop('a', 'b'), 'failed',
    '[["root.body[1]","failed",null,null,"boom"]]', '=failed body=failed condition_node=pending/skipped@root');
select pg_temp.check('an inner loop starts again in each outer iteration', df.loop(df.seq('a', df.loop('b', 'c'))), 'running',
    '[["root.body[0].left","completed",1],["root.body[0].right.body[5]","completed",1],'
    '["root.body[0].right.condition_node[5]","completed",false],["root.body[1].left","completed",1]]',
    '=running body=running body.left=completed body.right=running body.right.body=running body.right.condition_node=pending');
select pg_temp.check('a construct that failed by itself cancels what it holds', df.join('a', df.seq('b', 'c')), 'failed',
    '[["root.left","completed",1],["root","failed",null,null,"timed out"]]',
    '=failed left=completed right=cancelled/cancelled@root right.left=cancelled/cancelled@root right.right=pending/skipped@root');
rollback;
