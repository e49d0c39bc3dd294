-- A caller's session keeps its plans, too: what it planned while the tables were short reads none of a burst.
begin;
create role test_reads login;
select df.grant_usage('test_reads');
create function pg_temp.reads() returns bigint language sql volatile as $$
    select sum(pg_stat_get_xact_tuples_returned(c.oid))::bigint from pg_class c
     where c.relnamespace = 'df'::regnamespace and c.relkind in ('r', 'i')
$$;
set local role test_reads;
create temp table started as select df.start('select ' || n) as id from generate_series(1, 12) n;
reset role;
analyze df.instances, df.graphs;
set local role test_reads;
do $$
declare
    v_before bigint;
begin
    for n in 1..8 loop
        perform df.start('select ' || n), df.start_once('key ' || n, 'select ' || n);
        perform df.cancel(id) from started offset n limit 1;
    end loop;
    perform df.start('select 0, ' || n) from generate_series(1, 1000) n;
    v_before := pg_temp.reads();
    perform df.start('select 0, 1001');
    assert pg_temp.reads() - v_before < 50, format('%s rows read to start', pg_temp.reads() - v_before);
    v_before := pg_temp.reads();
    perform df.start_once('key', 'select 0, 1002');
    assert pg_temp.reads() - v_before < 50, format('%s rows read to start once', pg_temp.reads() - v_before);
    v_before := pg_temp.reads();
    perform df.cancel(id) from started offset 10 limit 1;
    assert pg_temp.reads() - v_before < 500, format('%s rows read to cancel', pg_temp.reads() - v_before);
end
$$;
rollback;
