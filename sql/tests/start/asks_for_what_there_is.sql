-- A start looks for variables and a limit only once there has been one, however it came.
begin;
create role test_start_one login;
select df.grant_usage('test_start_one');
create function pg_temp.check_asks(p_case text, p_asks boolean) returns void language sql as
$$ select pg_temp.check_same(p_case, (pg_sequence_last_value('df.start_asks') is not null)::text, p_asks::text) $$;
create function pg_temp.check_vars(p_label text, p_vars text) returns void language sql as
$$ select pg_temp.check_same(p_label, (select i.vars::text from df.instances i where i.label = p_label), p_vars) $$;
-- Undone with the transaction, as if none had been set in this database yet.
alter sequence df.start_asks restart;
select pg_temp.check_asks('there is nothing yet', false);
set local role test_start_one;
select df.start('select 1', 'before');
select df.setvar('a', '1');
select df.start('select 1', 'set');
reset role;
select pg_temp.check_asks('a variable', true);
select pg_temp.check_vars('set', '{ "a" : "1" }');
-- By hand, and where rows come from elsewhere.
delete from df.vars;
alter sequence df.start_asks restart;
set local role test_start_one;
insert into df.vars (name, value) values ('b', '2');
select df.start('select 1', 'by hand');
reset role;
select pg_temp.check_asks('a variable by hand', true);
select pg_temp.check_vars('by hand', '{ "b" : "2" }');
delete from df.vars;
alter sequence df.start_asks restart;
set local session_replication_role = 'replica';
insert into df.vars (owner, name, value) values ('test_start_one', 'c', '3');
reset session_replication_role;
select pg_temp.check_asks('a replicated variable', true);
delete from df.vars;
alter sequence df.start_asks restart;
select df.configure('max_result_bytes', '1000'), df.configure('max_pending_per_role', '0');
select pg_temp.check_asks('no limit', false);
select df.configure('max_pending_per_role', '3');
set local role test_start_one;
select pg_temp.check_refused($$ select df.start('select 1') $$, '3 unfinished instances', '54000');
rollback;
