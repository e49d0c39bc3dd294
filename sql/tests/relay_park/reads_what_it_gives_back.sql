-- Giving back reads the instances given back and their waits, however many a relay owns since the tables
-- were analyzed.
begin;
create role test_park login;
select df.grant_usage('test_park');
select set_config('test.relay', df.relay_register('test', 600, 1000)::text, true) as relay \gset
set local role test_park;
select count(df.start(df.wait_for_signal('go'))) from generate_series(1, 5);
reset role;
analyze df.instances, df.node_runs;
select count(*) from df.relay_park(:'relay', '[{"instance":"none","epoch":1,"waits":["root"]}]');
set local role test_park;
select count(df.start(df.wait_for_signal('go'))) from generate_series(1, 3000);
reset role;
select count(*) from df.relay_claim(:'relay', 4000);
insert into df.node_runs (instance_id, run_path, status, epoch, due_at, signal_name, detail)
select id, 'root', 'waiting', 1, 'infinity', 'go', '{"within":[],"turns":[],"decides":[]}' from df.instances;
do $$
declare
    v_entries json := (select json_agg(json_build_object('instance', i.id, 'epoch', 1, 'waits', array['root']))
                         from (select id from df.instances order by id limit 10) i);
    v_before  bigint := pg_temp.rows_read();
    v_busy    boolean[];
begin
    select array_agg(p.busy) into v_busy from df.relay_park(current_setting('test.relay')::uuid, v_entries) p;
    assert pg_temp.rows_read() - v_before < 300, format('%s rows read to give 10 back', pg_temp.rows_read() - v_before);
    assert v_busy = array_fill(false, '{10}'), v_busy;
    assert (select array_agg(i.wake_at::text) from (select wake_at from df.instances where owner is null) i)
         = array_fill('infinity'::text, '{10}');
end
$$;
rollback;
