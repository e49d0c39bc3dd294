-- A retry of a wide JOIN takes back what failed in it, and not the product of what failed and what is there; and reads the graph
-- once for all of its RACEs.
begin;
create role test_retry login;
select df.grant_usage('test_retry');
create temp table there (id text);
grant all on there to test_retry;
set local role test_retry;
insert into there select df.start(df.join(df.join(variadic array_fill('select 1'::text, array[100])),
                                          df.join(variadic array_fill('select 2'::text, array[100]))));
reset role;
-- The first JOIN has ended well; of the second every other branch has failed.
insert into df.node_runs (instance_id, run_path, status, epoch, ended_at)
select i.id, t.path, case when t.path like 'root.right%' and t.n % 2 = 0 then 'failed' else 'completed' end, 1, now()
  from there join df.instances i using (id) join df.graphs g on g.id = i.graph_id,
       lateral (select x.path, row_number() over (order by x.path) as n from df.node_tree(g.graph) x where x.node_type = 'SQL') t;
select df.end_instance(id, 'failed', null, 'failed', 'P0001',
                       (select min(run_path) from df.node_runs where status = 'failed')) from there;
set local track_functions = 'all';
set local role test_retry;
select df.retry(id) from there;
reset role;
do $$
declare
    v_calls bigint := pg_stat_get_xact_function_calls('df.static_path(text)'::regprocedure);
begin
    assert v_calls < 2000, format('%s paths made plain', v_calls);
    assert (select count(*) from df.node_runs where status = 'failed') = 0;
    assert (select count(*) from df.node_runs where status = 'completed') = 150;
end
$$;

truncate there;
set local role test_retry;
insert into there select df.start(df.join(variadic array_fill(df.race('select 1', df.sleep(1000)), array[50])));
reset role;
insert into df.node_runs (instance_id, run_path, status, turn, epoch, ended_at)
select i.id, t.path, case t.node_type when 'SQL' then 'failed' else 'decided' end, case t.node_type when 'RACE' then 0 end, 1, now()
  from there join df.instances i using (id) join df.graphs g on g.id = i.graph_id, df.node_tree(g.graph) t
 where t.node_type in ('SQL', 'RACE');
select df.end_instance(id, 'failed', null, 'failed', 'P0001', 'root.left.left') from there;
select pg_stat_get_xact_function_calls('df.node_tree(text)'::regprocedure) as before \gset
set local role test_retry;
select df.retry(id) from there;
reset role;
select set_config('test.read', (pg_stat_get_xact_function_calls('df.node_tree(text)'::regprocedure) - :before)::text, true);
do $$
begin
    assert current_setting('test.read')::bigint < 10, format('the graph was read %s times', current_setting('test.read'));
    assert not exists (select from df.node_runs r join there t on t.id = r.instance_id), 'a race is still decided';
end
$$;
rollback;
