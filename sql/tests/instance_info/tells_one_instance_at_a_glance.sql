-- df.instance_info, df.instance_executions, df.metrics, df.version and df.target_database.
begin;
create role test_info_one login;
create role test_info_two login;
select df.grant_usage('test_info_one'), df.grant_usage('test_info_two', with_grant => true);
insert into df.instances (id, graph_id, submitted_by, label, status, epoch, executions, ended_at, completed_at, created_at, result, error)
values ('infodone', 1, 'test_info_one', 'a label', 'completed', 1, 4, '2030-01-01 00:00:02+00', now(), '2030-01-01 00:00:00+00', '{"rows":[],"row_count":0}', null),
       ('infofail', 1, 'test_info_one', null, 'failed', 1, 1, now(), null, now(), null, 'division by zero'),
       ('infowait', 1, 'test_info_one', null, 'pending', 0, 1, null, null, now(), null, null);
insert into df.node_runs (instance_id, run_path, status, epoch, result) values ('infodone', 'root', 'completed', 1, '1');
set local role test_info_one;
do $$
declare
    r record;
begin
    select * into r from df.instance_info('infodone');
    assert (r.instance_id, r.label, r.function_name, r.function_version, r.current_execution_id, r.status, r.output)
         = ('infodone', 'a label', 'df.workflow', df.version(), 4, 'completed', '{"rows":[],"row_count":0}'), r::text;
    select * into r from df.instance_info('infofail');
    assert r.output = 'division by zero', r::text;
    assert not exists (select from df.instance_info('nothere1'));
    assert (select array_agg(e.execution_id || ' ' || e.status) from df.instance_executions('infodone') e)
         = '{4 completed,3 continued_as_new,2 continued_as_new,1 continued_as_new}';
    assert (select array_agg(e.execution_id) from df.instance_executions('infodone', 2) e) = '{4,3}';
    select * into r from df.instance_executions('infodone', 1);
    assert r.event_count = 2 and r.duration_ms = 2000 and r.output is not null, r::text;
    assert (select count(*) from df.instance_executions('infofail')) = 1;
    assert (select count(*) from df.instance_executions('infowait')) = 0;
    assert df.target_database() = current_database();
    begin
        perform df.metrics();
        assert false, 'df.metrics() ran for a role that is no admin';
    exception when insufficient_privilege then null;
    end;
end
$$;
set local role test_info_two;
do $$
begin
    assert not exists (select from df.instance_info('infodone')), 'another role sees the instance';
    assert not exists (select from df.instance_executions('infodone')), 'another role sees the executions';
    assert (select (m.total_instances, m.completed_instances, m.failed_instances, m.total_executions, m.total_events)
                 = (3::bigint, 1::bigint, 1::bigint, 6::bigint, 4::bigint) from df.metrics() m);
end
$$;
rollback;
