-- Who could never run a step is refused, with a reason, though the graph is known from when they could.
begin;
create role test_start_one login;
create role test_start_two superuser login;
select df.grant_usage('test_start_one');
select df.configure('allow_superuser_instances', 'true');
select df.grant_usage('test_start_two');
create function pg_temp.check(p_claim text, p_role text, p_call text, p_error text) returns void
    language plpgsql as $$
begin
    execute format('set local role %I', p_role);
    begin
        execute p_call;
        if p_error is not null then
            raise exception '%: not refused', p_claim using errcode = 'P0004';
        end if;
    exception when others then
        if sqlstate = 'P0004' or sqlerrm is distinct from p_error then
            raise exception '%: %', p_claim, sqlerrm;
        end if;
    end;
    reset role;
end
$$;
grant all on function pg_temp.check(text, text, text, text) to public;

select pg_temp.check('one who may', 'test_start_one', $$select df.start('select 1')$$, null);
select pg_temp.check('one who may, again', 'test_start_one', $$select df.start('select 1')$$, null);
select pg_temp.check('another graph', 'test_start_one', $$select df.start(df.sleep(60))$$, null);
select pg_temp.check('a database', 'test_start_one', $$select df.start('select 1', null, 'no such database')$$,
    'database "no such database" does not exist');
select pg_temp.check('a superuser while they may', 'test_start_two', $$select df.start('select 1')$$, null);
select df.configure('allow_superuser_instances', 'false');
select pg_temp.check('a superuser', 'test_start_two', $$select df.start('select 1')$$,
    'a superuser may not start workflows: the setting allow_superuser_instances is false');
alter role test_start_one nologin;
select pg_temp.check('no login', 'test_start_one', $$select df.start('select 1')$$,
    'role test_start_one has no LOGIN, so no step could run as it');
select pg_temp.check('no login, once', 'test_start_one', $$select df.start_once('k', 'select 1')$$,
    'role test_start_one has no LOGIN, so no step could run as it');
alter role test_start_one login;
do $$ begin execute format('alter role %I rename to test_start_login', df.step_login_name('test_start_one'::regrole)); end $$;
select pg_temp.check('no step login', 'test_start_one', $$select df.start('select 1')$$,
    'role test_start_one has no step login');
do $$
begin
    assert (select count(*) from df.instances i where i.submitted_by = 'test_start_one'::regrole) = 3;
    assert (select count(*) from df.instances i where i.submitted_by = 'test_start_two'::regrole) = 1;
end
$$;
-- A graph that is doomed, and another role's, are not taken up, though an administrator sees it.
do $$ begin execute format('alter role test_start_login rename to %I', df.step_login_name('test_start_one'::regrole)); end $$;
update df.graphs set doomed_xid = pg_current_xact_id() where owner = 'test_start_one'::regrole;
insert into df.graphs (owner, hash, graph)
select 'test_start_two', g.hash, g.graph from df.graphs g where g.owner = 'test_start_one'::regrole;
grant df_admin to test_start_one;
select pg_temp.check('a doomed graph', 'test_start_one', $$select df.start('select 1', 'after')$$, null);
do $$
begin
    assert (select g.doomed_xid is null and g.owner = 'test_start_one'::regrole
              from df.instances i join df.graphs g on g.id = i.graph_id where i.label = 'after');
end
$$;
rollback;
