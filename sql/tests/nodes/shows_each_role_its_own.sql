-- df.nodes shows a role its own nodes, df_admin's members and superusers all of them; a condition
-- on instance_id is applied before any instance is derived.
begin;
create role test_nodes_one login;
create role test_nodes_two login;
create role test_nodes_admin login in role df_admin;
select df.grant_usage('test_nodes_one'), df.grant_usage('test_nodes_two'), df.grant_usage('test_nodes_admin');

set local role test_nodes_one;
insert into df.graphs (hash, graph)
  select sha256(convert_to(g.graph, 'UTF8')), g.graph from (values (df.seq(df.as('select 1', 'x'), df.sleep(5)))) as g(graph);
insert into df.instances (label, graph_id) select 'mine', g.id from df.graphs g;

do $$
declare
    v_id   text := (select i.id from df.instances i);
    v_root df.nodes%rowtype;
    v_plan text := '';
    v_line text;
begin
    select n.* into strict v_root from df.nodes n join df.instances i on i.root_node = n.id;
    assert v_root.instance_id = v_id and v_root.node_type = 'THEN' and v_root.status = 'pending';
    assert v_root.left_node = v_id || ':root.left' and v_root.right_node = v_id || ':root.right';
    assert v_root.submitted_by::text = 'test_nodes_one' and v_root.database is null;
    assert v_root.created_at is not null and v_root.updated_at is not null;
    assert (select count(*) from df.nodes) = 3;
    assert (select n.result_name from df.nodes n where n.id = v_root.left_node) = 'x';
    for v_line in execute format('explain select * from df.nodes where instance_id = %L', v_id) loop
        v_plan := v_plan || v_line || E'\n';
    end loop;
    assert v_plan ~ 'on instances i[^\n]*\n[^\n]*id = ''' or v_plan ~ 'Index Cond: \(id = ''', v_plan;
    begin
        update df.nodes set status = 'completed';
        assert false, 'df.nodes was updated';
    exception when insufficient_privilege or object_not_in_prerequisite_state then null;
    end;
end
$$;
set local role test_nodes_two;
do $$
begin
    assert not exists (select from df.nodes), 'another role sees nodes';
    assert not exists (select from df.instances i, df.instance_nodes(i.id)), 'another role sees nodes';
end
$$;
set local role test_nodes_admin;
do $$
begin
    assert (select count(*) from df.nodes n where n.submitted_by::text = 'test_nodes_one') = 3;
    assert (select count(*) from df.settings) > 10;
end
$$;
set local role test_nodes_one;
do $$
begin
    assert not exists (select from df.settings), 'a role that is no admin sees the settings';
end
$$;
rollback;
