-- A delivery has nothing to do with starts, and reads none of them, though its plan is from before there were any.
begin;
create role test_deliver login;
select df.grant_usage('test_deliver');
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
    v_before bigint := pg_temp.rows_read();
begin
    perform df.relay_deliver(current_setting('test.relay')::uuid, 200);
    assert pg_temp.rows_read() - v_before < 100, format('%s rows read to deliver nothing', pg_temp.rows_read() - v_before);
end
$$;
rollback;
