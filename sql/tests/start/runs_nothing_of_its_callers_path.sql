-- What a start does with its owner's rights finds nothing on its caller's search_path: neither a row inserted by hand,
-- nor an id that is drawn again, nor a relay that is woken at the commit.
begin;
create role test_start_one login;
select df.grant_usage('test_start_one');
create table public.ran (what text, who name);
grant insert on public.ran to public;
create schema evil;
grant usage on schema evil to public;
create function evil.note(what text) returns void language sql volatile as
$$ insert into public.ran values (what, current_user) $$;
do $$
declare
    v record;
begin
    -- Every function and operator of the catalog that these functions could mean, as they name them.
    for v in select p.oid, p.proname, pg_get_function_identity_arguments(p.oid) as args,
                    pg_get_function_result(p.oid) as result, p.pronargs
               from pg_proc p
              where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and not p.proretset
                and p.proname in ('pg_sequence_last_value', 'left', 'translate', 'encode', 'uuid_send', 'gen_random_uuid',
                                  'current_setting', 'pg_notify')
                and not 'internal'::regtype = any (p.proargtypes) loop
        execute format('create function evil.%I(%s) returns %s language plpgsql as %L', v.proname, v.args, v.result,
            format('begin perform evil.note(%L); %s end', v.proname,
                case when v.result = 'void' then 'return;'
                     else format('return pg_catalog.%I(%s);', v.proname,
                         (select string_agg('$' || n, ', ') from generate_series(1, v.pronargs) n)) end));
    end loop;
    for v in select o.oprname, o.oprleft::regtype as l, o.oprright::regtype as r, o.oprresult::regtype as result, o.oid
               from pg_operator o
              where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprname in ('||', '=', '<>')
                and o.oprleft in ('text'::regtype, 'bigint'::regtype)
                and o.oprright in ('text'::regtype, 'bigint'::regtype, 'integer'::regtype) loop
        execute format('create function evil.op%s(a %s, b %s) returns %s language plpgsql as %L', v.oid, v.l, v.r, v.result,
            format('begin perform evil.note(%L); return a operator(pg_catalog.%s) b; end', v.oprname, v.oprname));
        execute format('create operator evil.%s (leftarg = %s, rightarg = %s, function = evil.op%s)', v.oprname, v.l, v.r, v.oid);
    end loop;
end
$$;
-- Each id is taken once, and a relay sleeps.
create sequence public.drawn;
grant usage on sequence public.drawn to public;
create or replace function df.new_instance_id(p_at timestamptz default now()) returns text
    language sql volatile as $$ select 'draw' || pg_catalog.lpad((pg_catalog.nextval('public.drawn') / 2)::text, 4, '0') $$;
select setval('df.relay_idle', 2);
set local role test_start_one;
select df.start('select 1') from generate_series(1, 3);
create temp table known as select g.id from df.graphs g;
set local search_path = evil, pg_catalog;
do $$
declare
    v_graph bigint;
begin
    -- What is shadowed does run where it is meant.
    if 'a'::text || 'b'::text = 'ab'::text and current_setting('df.notify', true) is null then
    end if;
    select k.id into v_graph from pg_temp.known k;
    for i in 1..4 loop
        insert into df.instances (graph_id) values (v_graph);
    end loop;
    perform df.start('select 1');
    set constraints all immediate;
end
$$;
reset role;
set local search_path = public;
do $$
begin
    assert (select count(*) from df.instances) = 8 and (select count(*) from df.outbox) = 8;
    assert (select count(*) from df.instances where id !~ '^draw') >= 3, 'no id was drawn again';
    assert exists (select from ran r where r.who = 'test_start_one'), 'nothing was shadowed';
    assert not exists (select from ran r where r.who <> 'test_start_one'),
        (select string_agg(r.what || ' as ' || r.who, ', ') from ran r where r.who <> 'test_start_one');
end
$$;
rollback;
