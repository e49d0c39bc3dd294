-- df.explain of an instance: header, marks, and nothing for an instance that is not the caller's.
begin;
create role test_explain login;
select df.grant_usage('test_explain');
insert into df.graphs (id, hash, graph) overriding system value
values (-1, sha256('1'), df.seq(df.if('a', 'b', 'c'), df.join(df.sleep(5), 'd')));
insert into df.instances (id, graph_id, label, status, epoch) values ('explain1', -1, 'nightly', 'running', 1);
insert into df.node_runs (instance_id, run_path, status, epoch, result, error)
values ('explain1', 'root.left.condition_node', 'completed', 1, 'true', null),
       ('explain1', 'root.left.left', 'completed', 1, '1', null),
       ('explain1', 'root.right.left', 'waiting', 1, null, null),
       ('explain1', 'root.right.right', 'failed', 1, null, 'division by zero');
do $$
declare
    v_found text := df.explain('explain1');
begin
    assert v_found = E'Instance explain1 (nightly): Running\n'
        '✓ IF\n├─ condition: ✓ SQL: a\n├─ then: ✓ SQL: b\n└─ else: ⊘ SQL: c\n'
        '→ ⏳ JOIN\n  ├─ branch 1: ⏳ SLEEP 5s\n  └─ branch 2: ✗ SQL: d', v_found;
    v_found := df.explain('explain1', 'mermaid');
    assert v_found like E'---\ntitle: "Instance explain1 (nightly): Running"\n---\nflowchart TD%✓ SQL: a%', v_found;
    update df.instances set status = 'failed', ended_at = now(), error = 'division by zero';
    v_found := df.explain('explain1');
    assert v_found like E'Instance explain1 (nightly): Failed\nError: division by zero\n%', v_found;
    assert df.explain_instance('nothere1', 'tree') is null;
    set local role test_explain;
    assert df.explain_instance('explain1', 'tree') is null, 'another role sees the drawing';
    assert df.explain('explain1') not like '%SQL: a%';
end
$$;
rollback;
