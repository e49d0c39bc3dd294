-- Results are handed out up to the one with which they are enough, and no more of them are read.
begin;
create role test_results login;
select df.grant_usage('test_results');
set local role test_results;
select df.start('select 1') as id \gset
reset role;
insert into df.node_runs (instance_id, run_path, status, epoch, result)
select :'id', 'root[' || n || ']', 'completed', 1, to_json(repeat('x', 98)) from generate_series(1, 20) n;
insert into df.node_runs (instance_id, run_path, status, epoch) values (:'id', 'root', 'completed', 1);
create function pg_temp.found(p_id text, p_enough bigint) returns bigint language sql as
$$ select count(*) from df.relay_results(p_id, array(select 'root[' || n || ']' from generate_series(1, 30) n), p_enough) $$;
select pg_temp.check_same('all', pg_temp.found(:'id', null)::text, '20');
select pg_temp.check_same('all by their bytes', pg_temp.found(:'id', 2000)::text, '20');
select pg_temp.check_same('as many as are not too large', pg_temp.found(:'id', 1900)::text, '20');
select pg_temp.check_same('one more than are enough', pg_temp.found(:'id', 1899)::text, '19');
select pg_temp.check_same('the first', pg_temp.found(:'id', 0)::text, '1');
select pg_temp.check_same('asked for without a limit', (select result from df.relay_results(:'id', '{root[3]}')),
    '"' || repeat('x', 98) || '"');
select pg_temp.check_same('no result', (select count(*) from df.relay_results(:'id', '{root}', 10) where result is null)::text, '1');
rollback;
