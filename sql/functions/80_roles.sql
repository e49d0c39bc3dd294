-- Who may use df: a role's grants and its step login. Names are given raw.

-- Functions that nobody outside df_owner calls.
create or replace function df.internal_functions() returns setof text
    language sql immutable
    set search_path = pg_catalog, pg_temp
    as $$
    select unnest(array['fence', 'decide', 'decided_against', 'end_instance', 'checkpoint',
        'record_run', 'record_wait', 'record_settle', 'record_retry', 'record_timer', 'end_wait', 'hand_signal', 'postpone_event',
        'raise_refusal', 'apply_cancel', 'apply_operator_event', 'undo_failure', 'wake_relays',
        'configure', 'reconcile', 'scram_verifier', 'hmac_sha256', 'xor_bytes', 'server_run',
        'is_of_this_server_run',
        'replay_signal', 'place', 'remove_expired', 'remove_orphans', 'remove_taken_signals',
        'fail_roleless', 'wake_overdue', 'remove_graphs'])
$$;

-- What a granted role may call and touch. One list for grant and revoke.
create or replace function df.usage_grants()
    returns table (ordinal integer, object text, privileges text, needs text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select * from (values
        (1, 'schema df', 'usage', ''),
        (2, 'table df.instances', 'select, insert (label, database, graph_id, vars, once_key)', ''),
        (3, 'table df.graphs', 'select, insert (hash, graph)', ''),
        (4, 'table df.outbox', 'select, insert (instance_id, kind, key, payload)', ''),
        (5, 'table df.signals', 'select, insert (instance_id, key, name, data)', ''),
        (6, 'table df.node_runs', 'select', ''),
        (7, 'table df.vars', 'select, insert (name, value), update (value), delete', ''),
        (8, 'sequence df.signal_numbers', 'usage', '')) as t(ordinal, object, privileges, needs)
    union all
    select 100 + row_number() over (order by p.oid)::integer,
           format('function df.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
           'execute',
           case when p.proname in ('http', 'http_multipart') then 'http'
                when p.proname in ('grant_usage', 'revoke_usage', 'metrics', 'login_password', 'note_grant',
                                 'forget_login', 'make_login', 'regrant') then 'admin'
                else '' end
      from pg_proc p
     where p.pronamespace = 'df'::regnamespace
       and p.proname not like 'relay\_%'
       and p.proname not in (select i.name from df.internal_functions() as i(name))
    union all
    select 100000 + row_number() over (order by c.oid)::integer, format('table df.%I', c.relname), 'select', ''
      from pg_class c
     where c.relnamespace = 'df'::regnamespace and c.relkind = 'v'
$$;

-- Grants everything a role needs, and makes its step login. include_http adds df.http; with_grant
-- makes the role an admin of this. Returns OK. Errors: 42704 for an unknown role, 42501 where the
-- caller may not, with the statement that an administrator must run.
create or replace function df.grant_usage(
    p_role text, include_http boolean default false, with_grant boolean default false) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_oid oid;
begin
    select r.oid into v_oid from pg_roles r where r.rolname = p_role;
    if v_oid is null then
        raise exception 'role % does not exist', coalesce(quote_ident(p_role), 'NULL') using errcode = '42704';
    end if;
    perform df.make_login(p_role, v_oid);
    perform df.regrant(p_role, include_http, with_grant);
    perform df.note_grant(v_oid, include_http, with_grant);
    return 'OK';
end
$$;

create or replace function df.regrant(p_role text, p_http boolean, p_with_grant boolean) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_grant record;
begin
    for v_grant in select * from df.usage_grants() g
                    where g.needs = '' or (g.needs = 'http' and p_http) or (g.needs = 'admin' and p_with_grant)
                    order by g.ordinal loop
        execute format('grant %s on %s to %I%s', v_grant.privileges, v_grant.object, p_role,
                       case when p_with_grant then ' with grant option' else '' end);
    end loop;
end
$$;

-- Makes the role's step login, once. The caller needs CREATEROLE and, from PostgreSQL 16, ADMIN
-- OPTION on the role.
create or replace function df.make_login(p_role text, p_oid oid) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_login    name := df.step_login_name(p_oid);
    v_verifier text;
begin
    if exists (select from pg_roles r where r.rolname = v_login) then
        return;
    end if;
    v_verifier := df.login_password(p_oid);
    begin
        execute format('create role %I login noinherit nosuperuser nocreatedb nocreaterole noreplication password %L',
                       v_login, v_verifier);
        execute format('grant %I to %I', p_role, v_login);
    exception when insufficient_privilege then
        raise exception 'making the step login of role % needs CREATEROLE and ADMIN OPTION on the role',
            quote_ident(p_role)
            using errcode = '42501',
                  hint = format('An administrator runs: SELECT df.grant_usage(%L);', p_role);
    end;
end
$$;

-- Stores a fresh password for a role's step login and returns its SCRAM verifier.
create or replace function df.login_password(p_role oid) returns text
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_password text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
begin
    insert into df.granted_roles (role_oid, login, password, granted_by)
    values (p_role, df.step_login_name(p_role), v_password, quote_ident(session_user)::regrole)
    on conflict (role_oid) do update set password = excluded.password, login = excluded.login;
    return df.scram_verifier(v_password);
end
$$;

create or replace function df.note_grant(p_role oid, p_http boolean, p_with_grant boolean) returns void
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
    update df.granted_roles g
       set include_http = g.include_http or p_http, with_grant = g.with_grant or p_with_grant
     where g.role_oid = p_role
$$;

-- Takes everything back that df.grant_usage gave, the step login included. Errors: 42704 for an
-- unknown role, 42501 for one's own access.
create or replace function df.revoke_usage(p_role text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_oid   oid;
    v_login name;
    v_grant record;
begin
    select r.oid, df.step_login_name(r.oid) into v_oid, v_login from pg_roles r where r.rolname = p_role;
    if v_oid is null then
        raise exception 'role % does not exist', coalesce(quote_ident(p_role), 'NULL') using errcode = '42704';
    end if;
    if p_role = current_user then
        raise exception 'a role cannot revoke its own access' using errcode = '42501';
    end if;
    for v_grant in select * from df.usage_grants() g order by g.ordinal desc loop
        execute format('revoke %s on %s from %I', v_grant.privileges, v_grant.object, p_role);
    end loop;
    perform df.forget_login(v_oid);
    if exists (select from pg_roles r where r.rolname = v_login) then
        execute format('drop role %I', v_login);
    end if;
    return 'OK';
end
$$;

create or replace function df.forget_login(p_role oid) returns void
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$ delete from df.granted_roles g where g.role_oid = p_role $$;
