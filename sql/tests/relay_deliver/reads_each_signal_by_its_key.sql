-- What is read of many signals to one instance goes by how many they are, also where statistics say that instances have one each:
-- a plan from those read all of them for each of their events, and the relay delivered nothing else for minutes.
begin;
create role test_deliver login;
select df.grant_usage('test_deliver');
select set_config('test.relay', df.relay_register('test', 600, 1000)::text, true) as relay \gset
insert into df.signals (instance_id, key, name) select lpad(n::text, 8, '0'), 'n/' || n, 'go' from generate_series(1, 20000) n;
analyze df.signals, df.outbox;
create temp table there (id text);
grant all on there to test_deliver;
set local role test_deliver;
insert into there select df.start(df.wait_for_signal('go'));
select count(df.signal(id, 'go')) from there, generate_series(1, 1000);
reset role;
do $$
declare
    v_before bigint := pg_temp.rows_read();
    v_told   bigint;
begin
    select count(*) into v_told from df.relay_deliver(current_setting('test.relay')::uuid, 100);
    assert v_told = 100, format('%s events told', v_told);
    assert pg_temp.rows_read() - v_before < 30000, format('%s rows read of 1,000 signals', pg_temp.rows_read() - v_before);
    -- In the order of their numbers.
    assert (select max(s.n) filter (where not o.queued) < min(s.n) filter (where o.queued)
              from there t join df.signals s on s.instance_id = t.id
              join df.outbox o on o.instance_id = s.instance_id and o.key = s.key);
end
$$;
rollback;
