-- A claim finds by their keys the instances it takes and their events, though statistics know of no burst; and what
-- it takes are each role's oldest, the room that one role leaves another's.
begin;
create role test_claim_one login;
create role test_claim_two login;
select df.grant_usage('test_claim_one'), df.grant_usage('test_claim_two');
select set_config('test.relay', df.relay_register('test', 600, 1000)::text, true);
set local role test_claim_one;
select count(df.start('select 1', 'before')) from generate_series(1, 5);
reset role;
select count(*) from df.relay_claim(current_setting('test.relay')::uuid, 199);
set local role test_claim_one;
select df.start('select 1', 'early');
reset role;
analyze df.instances, df.outbox;
set local role test_claim_one;
select count(df.start('select 1', 'burst')) from generate_series(1, 3000);
set local role test_claim_two;
select count(df.start('select 1', 'few')) from generate_series(1, 3);
reset role;
update df.instances set wake_at = wake_at + interval '1 second' where label = 'burst';
update df.instances set wake_at = wake_at - interval '1 hour';
do $$
declare
    v_before bigint := pg_temp.rows_read();
    v_taken  text[];
begin
    select array_agg(c.instance_id) into v_taken from df.relay_claim(current_setting('test.relay')::uuid, 100) c;
    assert pg_temp.rows_read() - v_before < 1000, format('%s rows read for 100 of 3004', pg_temp.rows_read() - v_before);
    assert (select array_agg(w.label || ' ' || w.n order by w.label)
              from (select i.label, count(*) as n from df.instances i
                     where i.id = any (v_taken) and i.owner is not null and i.status = 'running' and i.epoch = 1
                     group by i.label) w) = '{burst 96,early 1,few 3}', v_taken::text;
    assert (select bool_and(o.delivered_at is not null) from df.outbox o where o.instance_id = any (v_taken));
end
$$;
rollback;
