-- Ten thousand nodes, a depth of 256 and a join of a thousand branches are derived in seconds at
-- most; anything quadratic would take minutes.
begin;
set local statement_timeout = '20s';

create function pg_temp.check(p_claim text, p_graph text, p_nodes bigint) returns void
    language plpgsql as $$
declare
    v_graph bigint;
    v_id    text;
    v_found bigint;
begin
    insert into df.graphs (hash, graph) values (sha256(convert_to(p_graph, 'UTF8')), p_graph)
        returning id into v_graph;
    insert into df.instances (graph_id, status, epoch) values (v_graph, 'running', 1) returning id into v_id;
    insert into df.node_runs (instance_id, run_path, status, result, epoch)
    select v_id, regexp_replace(t.path, '\.body', '.body[4]', 'g'), 'completed', '{"rows":[{"x":1}],"row_count":1}', 1
      from df.node_tree(p_graph) t where t.node_type = 'SQL';
    select count(*) into v_found from df.node_states(v_id) s
     where s.status = 'completed' or p_claim like '%loop%';
    if v_found <> p_nodes then
        raise exception '%: % nodes, not %', p_claim, v_found, p_nodes;
    end if;
end
$$;

create function pg_temp.doubled(p_times integer, p_wrap boolean) returns text language plpgsql as $$
declare
    v_graph text := df.sql('select 1');
begin
    for i in 1..p_times loop
        v_graph := df.seq(v_graph, case when p_wrap then 'select 1' else v_graph end);
    end loop;
    return v_graph;
end
$$;

select pg_temp.check('8191 nodes', pg_temp.doubled(12, false), 8191);
select pg_temp.check('8192 nodes in a loop', df.loop(pg_temp.doubled(12, false)), 8192);
select pg_temp.check('depth 256', pg_temp.doubled(256, true), 513);
select pg_temp.check('a join of a thousand',
    (select df.join(variadic array_agg('select 1'::text)) from generate_series(1, 1000)), 1001);
rollback;
