-- Waits of a branch that has lost are looked at once for all the signals of a delivery, and not at each of them; a
-- delivery takes no more of one instance's events than it may.
begin;
create role test_deliver login;
select df.grant_usage('test_deliver');
select set_config('test.relay', df.relay_register('test', 600, 1000)::text, true) as relay \gset
create temp table there (id text);
grant all on there to test_deliver;
set local role test_deliver;
insert into there select df.start(df.wait_for_signal('go'));
reset role;
select count(*) from df.relay_claim(:'relay', 10);
insert into df.node_runs (instance_id, run_path, status, epoch, turn)
select id, 'root.left', 'decided', 1, 0 from there;
insert into df.node_runs (instance_id, run_path, status, epoch, signal_name, detail)
select id, 'root.left.right.' || n, 'waiting', 1, 'go', '{"within":["root.left"],"turns":[1]}' from there, generate_series(1, 300) n;
set local role test_deliver;
select count(df.signal(id, 'go')) from there, generate_series(1, 150);
reset role;
do $$
declare
    v_before bigint := pg_temp.rows_read();
    v_told   bigint;
begin
    select count(*) into v_told from df.relay_deliver(current_setting('test.relay')::uuid, 100);
    assert v_told = 100, format('%s events told', v_told);
    assert pg_temp.rows_read() - v_before < 30000, format('%s rows read for 100 signals', pg_temp.rows_read() - v_before);
    select count(*) into v_told from df.relay_deliver(current_setting('test.relay')::uuid, 100);
    assert v_told = 50, format('%s events told', v_told);
    assert (select count(*) from df.signals where consumed_at is null) = 150;
end
$$;
rollback;
