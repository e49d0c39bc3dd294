-- A checkpoint removes the signals that its iterations have taken, with their events, and looks at no event of those that still
-- wait in the inbox: a loop that works one off after the other would read all of them each time.
begin;
create role test_checkpoint login;
select df.grant_usage('test_checkpoint');
select df.relay_register('test', 600, 1000) as relay \gset
create temp table there (id text);
grant all on there to test_checkpoint;
set local role test_checkpoint;
insert into there select df.start(df.loop(df.wait_for_signal('go')));
select count(df.signal(id, 'go')) from there, generate_series(1, 1000);
reset role;
select count(*) from df.relay_claim(:'relay', 10);
select count(*) from df.relay_deliver(:'relay', 2000);
insert into df.node_runs (instance_id, run_path, status, epoch, signal_name)
select id, 'root.body[' || n || ']', 'completed', 1, 'go' from there, generate_series(0, 4) n;
update df.signals s set consumed_at = now(), consumed_by = 'root.body[0]'
 where s.n < (select min(n) + 10 from df.signals where instance_id in (select id from there));
analyze df.signals, df.outbox;
do $$
declare
    v_before bigint := pg_temp.rows_read();
begin
    perform set_config('enable_seqscan', 'off', true);
    perform df.checkpoint(id, 1, '[{"path": "root", "turn": 5, "names": [], "keep": []}]') from there;
    assert pg_temp.rows_read() - v_before < 2000, format('%s rows read', pg_temp.rows_read() - v_before);
    assert (select count(*) = 995 and bool_and(consumed_at is null) from df.signals), 'signals';
    assert (select count(*) from df.outbox where kind = 'signal') = 995, 'events';
    assert not exists (select from df.outbox o where o.kind = 'signal'
                          and not exists (select from df.signals s where s.instance_id = o.instance_id and s.key = o.key)), 'the wrong events';
end
$$;
rollback;
