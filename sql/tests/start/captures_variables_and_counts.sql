-- What an instance takes from its role: its variables, in the order of their names, none of another's; no more
-- than its limits allow.
begin;
create role test_start_one login;
create role test_start_two login;
select df.grant_usage('test_start_one'), df.grant_usage('test_start_two');
set local role test_start_two;
select df.setvar('theirs', '1');
set local role test_start_one;
select df.start('select 1', 'none');
-- Nobody but df_owner writes them.
select pg_temp.check_refused($$ insert into df.instances (graph_id, vars) values (1, '{"c":"3"}') $$, 'permission denied', '42501');
select df.setvar('b', '2'), df.setvar('a', '1');
select df.start('select 1', 'two');
insert into df.instances (label, graph_id) select 'by hand', g.id from df.graphs g;
reset role;
do $$
begin
    assert (select i.vars is null from df.instances i where i.label = 'none');
    assert (select i.vars::text from df.instances i where i.label = 'two') = '{ "a" : "1", "b" : "2" }',
        (select i.vars::text from df.instances i where i.label = 'two');
    assert (select i.vars::text from df.instances i where i.label = 'by hand') = '{ "a" : "1", "b" : "2" }';
    -- By hand or not, an instance and its event are its submitter's.
    assert (select bool_and(i.submitted_by = 'test_start_one'::regrole and o.submitted_by = i.submitted_by) and count(*) = 3
              from df.instances i join df.outbox o on o.event_id = i.id || '/start');
end
$$;
select df.configure('max_pending_per_role', '4');
set local role test_start_one;
select df.start('select 1', 'the last');
select pg_temp.check_refused($$ select df.start('select 1') $$, '4 unfinished instances', '54000');
set local role test_start_two;
select df.start('select 1', 'another''s');
rollback;
