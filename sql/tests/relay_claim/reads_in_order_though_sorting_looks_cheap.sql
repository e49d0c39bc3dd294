-- Whoever claims, looks or delivers reads the queue in its order and up to what it takes, even where reading and sorting
-- all of it looks cheaper, as it does to a plan that is made while the queue is short.
begin;
create role test_claim login;
select df.grant_usage('test_claim');
select set_config('test.relay', df.relay_register('test', 600, 1000)::text, true);
create temp table there (id text);
grant all on there to test_claim;
set local role test_claim;
insert into there select df.start(df.wait_for_signal('go')) from generate_series(1, 3000);
reset role;
-- Of all ways to an order, those through an index now look dearest.
set local enable_indexscan = off;
set local enable_indexonlyscan = off;
create function pg_temp.check(p_what text, p_call text) returns void language plpgsql as $$
declare
    v_before bigint := pg_temp.rows_read();
begin
    execute p_call;
    assert pg_temp.rows_read() - v_before < 1000,
        format('%s: %s rows read of a queue of 3000', p_what, pg_temp.rows_read() - v_before);
end
$$;
select pg_temp.check(w.what, format('select * from %s', format(w.call, current_setting('test.relay')))) from (values
    ('the bounds', 'df.relay_bounds(%L)'), ('a look', 'df.relay_look(%L)'),
    ('a claim', 'df.relay_claim(%L, 100)')) as w(what, call);
select pg_temp.check('with bounds, ' || w.what, format('select * from %s',
        format(w.call, current_setting('test.relay'),
               (select b.bounds from df.relay_bounds(current_setting('test.relay')::uuid) b)))) from (values
    ('a look', 'df.relay_look(%L, %L)'), ('a claim', 'df.relay_claim(%L, 100, %L)')) as w(what, call);
set local enable_indexscan = on;
select count(*) from df.relay_claim(current_setting('test.relay')::uuid, 3000);
set local role test_claim;
select count(df.signal(id, 'go')) from there;
reset role;
set local enable_indexscan = off;
select pg_temp.check('a delivery', format('select * from df.relay_deliver(%L, 100)', current_setting('test.relay')));
rollback;
