-- Where rows come by logical replication, a trigger that fires always or for a replica may start workflows: such a
-- session sets ordinary triggers aside. What comes by replication itself was admitted, named and applied at its source.
begin;
create role test_start_one login;
select df.grant_usage('test_start_one');
create function pg_temp.check_count(p_case text, p_sql text, p_count int) returns void language plpgsql as $$
declare v_count int;
begin
    execute 'select count(*) from ' || p_sql into v_count;
    perform pg_temp.check_same(p_case, v_count::text, p_count::text);
end
$$;
set local session_replication_role = 'replica';
select df.configure('max_pending_per_role', '3');
set local role test_start_one;
select df.setvar('a', '1');
select df.start(df.wait_for_signal('s'), 'one') as id \gset
select df.start_once('k', 'select 1', 'two') as two \gset
select pg_temp.check_same('the same key', df.start_once('k', 'select 1'), :'two');
select pg_temp.check_count('variables and roots', $$df.instances where vars::text = '{ "a" : "1" }' and root_node = id || ':root'$$, 2);
select pg_temp.check_count('events', $$df.outbox o join df.instances i on o.event_id = i.id || '/start'$$, 2);
select df.signal(:'id', 's');
select pg_temp.check_count('a queued signal', $$df.outbox where kind = 'signal' and queued$$, 1);
select df.clearvars();
select pg_temp.check_count('variables that were cleared', 'df.vars', 0);
select pg_temp.check_refused(format(f, :'id'), 'session_replication_role = replica', '55000')
  from unnest(array['select df.cancel(%L)', 'select df.pause(%L)', 'select df.resume(%L)']) as f;
select df.start('select 1', 'three');
select pg_temp.check_refused($$ select df.start('select 1') $$, '3 unfinished instances', '54000');
reset role;
-- Replicated rows.
create temp table came as table df.instances;
create temp table events as table df.outbox;
delete from df.outbox; delete from df.instances;
insert into df.outbox table events;
insert into df.instances table came;
select pg_temp.check_count('instances as they were', '(select i::text from df.instances i except select c::text from pg_temp.came c) d', 0);
select pg_temp.check_count('events as they were', 'df.outbox', 4);
rollback;
