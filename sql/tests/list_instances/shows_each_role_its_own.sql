-- Lists, totals and the status of the service under row-level security: a granted role sees its own
-- and no totals of others, an admin (granted with the option) the totals besides, df_admin's members
-- and superusers everything.
begin;
create role test_one login;
create role test_two login;
create role test_with_grant login;
create role test_night login;
select df.grant_usage('test_one'), df.grant_usage('test_two'), df.grant_usage('test_with_grant', with_grant => true);
grant df_admin to test_night;
set local role test_one;
select df.start('select 1', 'one ' || n) from generate_series(1, 3) n;
set local role test_two;
select df.start('select 1', 'two');
reset role;

-- p_listed: how many instances each list shows; p_totals: whether df.metrics answers; p_service:
-- whether df.relay_status does.
create function pg_temp.check(p_role text, p_listed integer, p_totals boolean, p_service boolean)
returns void language plpgsql as $$
begin
    execute format('set local role %s', p_role);
    assert (select count(*) from df.list_instances()) = p_listed, p_role;
    assert (select count(*) from df.list_instances(null, 10, 'two')) = (p_role <> 'test_one' and p_listed > 0)::integer, p_role;
    assert (select count(*) from df.instances) = p_listed and (select count(*) from df.nodes) = p_listed, p_role;
    assert (select coalesce(sum(undelivered), 0) from df.outbox_lag) = p_listed, p_role;
    if p_totals then
        assert (select total_instances from df.metrics()) = 4, p_role;
    else
        perform pg_temp.check_refused('select * from df.metrics()', 'permission denied', '42501');
    end if;
    if p_service then
        assert df.relay_status() #>> '{instances,unclaimed}' = '4', p_role;
    else
        perform pg_temp.check_refused('select df.relay_status()', 'permission denied', '42501');
    end if;
    reset role;
end
$$;
select pg_temp.check('test_one', 3, false, false);
select pg_temp.check('test_two', 1, false, false);
select pg_temp.check('test_with_grant', 0, true, false);
select pg_temp.check('test_night', 4, true, true);
select pg_temp.check('postgres', 4, true, true);
-- Another role's instance is no instance.
select set_config('test.id', (select id from df.instances where label = 'two'), true);
set local role test_one;
do $$
declare
    v_id text := current_setting('test.id');
begin
    assert df.status(v_id) is null and df.result(v_id) is null;
    assert not exists (select from df.instance_info(v_id)) and not exists (select from df.instance_nodes(v_id))
       and not exists (select from df.instance_executions(v_id)) and not exists (select from df.why(v_id));
end
$$;
rollback;
