-- A claim's new versions of the starts' events stay on their pages and enter no index, also where a burst has
-- filled them as far as an insert may.
begin;
create role test_in_place login;
select df.grant_usage('test_in_place');
select set_config('test.relay', df.relay_register('test', 600, 1000)::text, true);
set local role test_in_place;
select count(df.start('select 1')) from generate_series(1, 1000);
reset role;
do $$
declare
    v_claimed bigint := (select count(*) from df.relay_claim(current_setting('test.relay')::uuid, 1000));
begin
    assert v_claimed = 1000, v_claimed;
    assert pg_stat_get_xact_tuples_updated('df.outbox'::regclass) = 1000;
    assert pg_stat_get_xact_tuples_hot_updated('df.outbox'::regclass) >= 990,
        format('%s of 1000 in place', pg_stat_get_xact_tuples_hot_updated('df.outbox'::regclass));
end
$$;
rollback;
