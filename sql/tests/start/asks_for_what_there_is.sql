-- A start looks for variables and a limit only once there has been one, however it came.
begin;
create role test_start_one login;
select df.grant_usage('test_start_one');
create function pg_temp.asks() returns boolean language sql as
$$ select pg_sequence_last_value('df.start_asks') is not null $$;
-- Undone with the transaction, as if none had been set in this database yet.
alter sequence df.start_asks restart;
do $$
begin
    assert not pg_temp.asks(), 'there is nothing yet';
end
$$;
set local role test_start_one;
select df.start('select 1', 'before');
do $$
begin
    insert into df.instances (graph_id, vars) values (1, '[1]');
    raise exception 'not refused';
exception when invalid_parameter_value then
    null;
end
$$;
select df.setvar('a', '1');
select df.start('select 1', 'set');
reset role;
do $$
begin
    assert pg_temp.asks(), 'a variable';
    assert (select i.vars::text from df.instances i where i.label = 'set') = '{ "a" : "1" }';
end
$$;
-- By hand, and where rows come from elsewhere.
delete from df.vars;
alter sequence df.start_asks restart;
set local role test_start_one;
insert into df.vars (name, value) values ('b', '2');
select df.start('select 1', 'by hand');
reset role;
do $$
begin
    assert pg_temp.asks(), 'a variable by hand';
    assert (select i.vars::text from df.instances i where i.label = 'by hand') = '{ "b" : "2" }';
end
$$;
delete from df.vars;
alter sequence df.start_asks restart;
set local session_replication_role = 'replica';
insert into df.vars (owner, name, value) values ('test_start_one', 'c', '3');
reset session_replication_role;
do $$
begin
    assert pg_temp.asks(), 'a replicated variable';
end
$$;
delete from df.vars;
alter sequence df.start_asks restart;
select df.configure('max_result_bytes', '1000'), df.configure('max_pending_per_role', '0');
do $$
begin
    assert not pg_temp.asks(), 'no limit';
end
$$;
select df.configure('max_pending_per_role', '3');
set local role test_start_one;
do $$
begin
    perform df.start('select 1', 'over the limit');
    raise exception 'not refused';
exception when program_limit_exceeded then
    assert sqlerrm like '%3 unfinished instances%', sqlerrm;
end
$$;
rollback;
