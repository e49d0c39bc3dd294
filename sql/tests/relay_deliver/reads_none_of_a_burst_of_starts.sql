-- A delivery has nothing to do with starts, and reads none of them, though its plan is from before there were any.
begin;
create role test_deliver login;
select df.grant_usage('test_deliver');
create function pg_temp.reads() returns bigint language sql volatile as $$
    select sum(pg_stat_get_xact_tuples_returned(c.oid))::bigint from pg_class c
     where c.relnamespace = 'df'::regnamespace and c.relkind in ('r', 'i')
       and c.relname ~ '^(instances|outbox)'
$$;
select set_config('test.relay', df.relay_register('test', 600, 1000)::text, true);
set local role test_deliver;
select count(df.start('select 1')) from generate_series(1, 5);
reset role;
analyze df.instances, df.outbox;
select count(*) from df.relay_deliver(current_setting('test.relay')::uuid, 200);
set local role test_deliver;
select count(df.start('select 1')) from generate_series(1, 3000);
reset role;
do $$
declare
    v_before bigint := pg_temp.reads();
begin
    perform df.relay_deliver(current_setting('test.relay')::uuid, 200);
    assert pg_temp.reads() - v_before < 100, format('%s rows read to deliver nothing', pg_temp.reads() - v_before);
end
$$;
rollback;
