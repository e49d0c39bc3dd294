-- df.instance_nodes has text results, the message of a failure as its result, and the details of
-- waits and attempts.
begin;
do $$
declare
    v_graph bigint;
    v_id    text;
    n       record;
begin
    insert into df.graphs (hash, graph)
    values (sha256('1'), df.join('a', 'b', df.wait_for_signal('go'), df.sleep(60), df.loop('c')))
    returning id into v_graph;
    insert into df.instances (graph_id, status, epoch) values (v_graph, 'running', 1) returning id into v_id;
    insert into df.node_runs (instance_id, run_path, status, attempt, epoch, ended_at, due_at, signal_name, sqlstate, error, result)
    values (v_id, 'root.left', 'completed', 3, 1, '2030-01-01 00:00+00', null, null, null, null, '{"rows":[],"row_count":0}'),
           (v_id, 'root.right', 'failed', 1, 1, '2030-01-02 00:00+00', null, null, '22012', 'division by "zero"', null),
           (v_id, 'root.extra_nodes[0]', 'waiting', 1, 1, null, 'infinity', 'go', null, null, null),
           (v_id, 'root.extra_nodes[1]', 'waiting', 1, 1, null, '2030-01-03 00:00+00', null, null, null, null),
           (v_id, 'root.extra_nodes[2].body[6]', 'completed', 1, 1, '2030-01-01 00:00+00', null, null, null, null, '1');
    select * into n from df.instance_nodes(v_id) x where x.node_id = v_id || ':root.left';
    assert n.result = '{"rows":[],"row_count":0}' and n.status_details = '{"attempt": 3}', n::text;
    assert n.updated_at = '2030-01-01 00:00+00', n::text;
    select * into n from df.instance_nodes(v_id) x where x.node_id = v_id || ':root.right';
    assert n.result = 'division by "zero"' and n.status_details = '{"sqlstate": "22012"}', n::text;
    select * into n from df.instance_nodes(v_id) x where x.node_id = v_id || ':root.extra_nodes[0]';
    assert n.status = 'running' and n.status_details = '{"signal_name": "go"}', n::text;
    select * into n from df.instance_nodes(v_id) x where x.node_id = v_id || ':root.extra_nodes[1]';
    assert n.status_details::jsonb ->> 'due_at' like '2030-01-0%', n::text;
    select * into n from df.instance_nodes(v_id) x where x.node_id = v_id || ':root.extra_nodes[2]';
    assert n.status = 'running' and n.status_details = '{"iteration": 7}', n::text;
    select * into n from df.instance_nodes(v_id) x where x.node_id = v_id || ':root.extra_nodes[2].body';
    assert n.status_details = '{"run_path": "root.extra_nodes[2].body[7]"}', n::text;
    select * into n from df.instance_nodes(v_id) limit 1;
    assert n.node_id = v_id || ':root' and n.status = 'running' and n.updated_at = '2030-01-02 00:00+00', n::text;
    assert not exists (select from df.instance_nodes('nothere1'));
    assert not exists (select from df.instance_nodes(null));
end
$$;
rollback;
