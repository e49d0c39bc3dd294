-- A delivery reads what it delivers, however many signals came since the tables were analyzed, and hands over
-- what there is for one instance in the order of its numbers.
begin;
create role test_deliver login;
select df.grant_usage('test_deliver');
select set_config('test.relay', df.relay_register('test', 600, 1000)::text, true) as relay \gset
create temp table there (n serial, id text);
grant all on there, there_n_seq to test_deliver;
set local role test_deliver;
insert into there (id) select df.start(df.wait_for_signal('go')) from generate_series(1, 1000);
reset role;
select count(*) from df.relay_claim(:'relay', 1000);
analyze df.instances, df.outbox, df.signals, df.node_runs;
select count(*) from df.relay_deliver(:'relay', 200);
set local role test_deliver;
select count(df.signal(id, 'go', g::text)) from there, generate_series(1, 2) g;
reset role;
create temp table told (n serial, kind text, instance_id text);
do $$
declare
    v_before bigint := pg_temp.rows_read();
begin
    insert into told (kind, instance_id)
    select d.kind, d.instance_id from df.relay_deliver(current_setting('test.relay')::uuid, 50) d;
    assert pg_temp.rows_read() - v_before < 1500, format('%s rows read for 50 events', pg_temp.rows_read() - v_before);
    -- Each of these instances was told of both of its signals.
    assert (select count(*) from told) between 50 and 100, (select count(*) from told);
    assert not exists (select from told group by instance_id having count(*) <> 2 or max(n) <> min(n) + 1);
    loop
        insert into told (kind, instance_id)
        select d.kind, d.instance_id from df.relay_deliver(current_setting('test.relay')::uuid, 200) d;
        exit when not found;
    end loop;
    assert (select array_agg(distinct kind) || array[count(*)::text, count(distinct instance_id)::text] from told)
         = '{signal,2000,1000}', (select array_agg(distinct kind) || array[count(*)::text, count(distinct instance_id)::text] from told);
    assert not exists (select from df.outbox o where o.delivered_at is null);
end
$$;
rollback;
