-- A caller's session keeps its plans, too: what it planned while the tables were short reads none of a burst.
begin;
create role test_reads login;
select df.grant_usage('test_reads');
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
    v_before := pg_temp.rows_read();
    perform df.start('select 0, 1001');
    assert pg_temp.rows_read() - v_before < 50, format('%s rows read to start', pg_temp.rows_read() - v_before);
    v_before := pg_temp.rows_read();
    perform df.start_once('key', 'select 0, 1002');
    assert pg_temp.rows_read() - v_before < 50, format('%s rows read to start once', pg_temp.rows_read() - v_before);
    v_before := pg_temp.rows_read();
    perform df.cancel(id) from started offset 10 limit 1;
    assert pg_temp.rows_read() - v_before < 500, format('%s rows read to cancel', pg_temp.rows_read() - v_before);
end
$$;
rollback;
