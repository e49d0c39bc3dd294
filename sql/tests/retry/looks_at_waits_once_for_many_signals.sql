-- A retry hands over what came meanwhile, and looks at the waits once for all of it, not at each signal.
begin;
create role test_retry login;
select df.grant_usage('test_retry');
create temp table there (id text);
grant all on there to test_retry;
set local role test_retry;
insert into there select df.start(df.wait_for_signal('go'));
reset role;
insert into df.node_runs (instance_id, run_path, status, epoch, turn)
select id, 'root.left', 'decided', 1, 0 from there;
insert into df.node_runs (instance_id, run_path, status, epoch, signal_name, detail)
select id, 'root.left.right.' || n, 'waiting', 1, 'go', '{"within":["root.left"],"turns":[1]}' from there, generate_series(1, 300) n;
select df.end_instance(id, 'failed', null, 'failed', 'P0001', 'root') from there;
set local role test_retry;
select count(df.signal(id, 'go')) from there, generate_series(1, 150);
do $$
declare
    v_before bigint := pg_temp.rows_read();
begin
    perform df.retry(id) from there;
    assert pg_temp.rows_read() - v_before < 5000, format('%s rows read for 150 signals', pg_temp.rows_read() - v_before);
    assert (select i.status from df.instances i, there where i.id = there.id) = 'running';
end
$$;
reset role;
do $$
begin
    assert (select count(*) from df.signals where consumed_at is null) = 150;
end
$$;
rollback;
