-- Who may use df: what a role is granted, by whom, and what is taken back. Names are given raw.
-- The step logins are the next file's.

-- Functions that no granted role calls.
create or replace function df.internal_functions() returns setof text
    language sql immutable
    set search_path = pg_catalog, pg_temp
    as $$
    select unnest(array['fence', 'may_write', 'decide', 'decided_against', 'end_instance',
        'checkpoint', 'prepare_record', 'record_run', 'record_wait', 'record_settle',
        'record_retry', 'record_timer', 'end_wait', 'hand_signal', 'woken_since', 'pending_signals', 'postpone_event', 'raise_refusal', 'apply_cancel', 'apply_event', 'name_event', 'queue_event',
        'undo_failure', 'hand_inbox', 'end_intents', 'wake_relays', 'configure', 'write_setting', 'reconcile', 'scram_verifier',
        'hmac_sha256', 'server_run', 'is_of_this_server_run', 'remove_unset_var',
        'refuse_bad_graph', 'admit_instance', 'admitted_vars', 'ask_at_starts', 'calling_role', 'refuse_view_write', 'waiting_roles',
        'claimable', 'bound_of', 'replay_signal', 'place', 'remove_expired', 'remove_orphans',
        'remove_taken_signals', 'fail_roleless', 'wake_overdue', 'remove_graphs', 'regrant', 'take_back',
        'check_granter', 'check_grantee', 'granter'])
$$;

-- What a granted role may call and touch. One list for every grant.
-- No table-level UPDATE, DELETE or TRUNCATE is among them: each would let its holder LOCK TABLE and
-- stop everybody.
create or replace function df.usage_grants()
    returns table (ordinal integer, object text, privileges text, needs text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select * from (values
        (1, 'schema df', 'usage', ''),
        (2, 'table df.instances', 'select, insert (label, database, graph_id, once_key)', ''),
        (3, 'table df.graphs', 'select, insert (hash, graph)', ''),
        (4, 'table df.outbox', 'select, insert (instance_id, kind, key, payload)', ''),
        (5, 'table df.signals', 'select, insert (instance_id, key, name, data)', ''),
        (6, 'table df.node_runs', 'select', ''),
        (7, 'table df.vars', 'select, insert (name, value), update (value)', ''),
        (8, 'sequence df.signal_numbers', 'usage, select', '')) as t(ordinal, object, privileges, needs)
    union all
    select 100 + row_number() over (order by p.oid)::integer,
           format('function df.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
           'execute',
           case when p.proname in ('http', 'http_multipart') then 'http'
                when p.proname in ('grant_usage', 'revoke_usage', 'record_grant', 'record_revoke', 'make_login',
                                   'login_password', 'forget_login', 'drop_login', 'drop_stray_logins',
                                   'metrics') then 'admin'
                else '' end
      from pg_proc p
     where p.pronamespace = 'df'::regnamespace
       and p.proname not like E'relay\\_%'
       and p.proname not in (select i.name from df.internal_functions() as i(name))
    union all
    select 100000 + row_number() over (order by c.oid)::integer, format('table df.%I', c.relname), 'select', ''
      from pg_class c
     where c.relnamespace = 'df'::regnamespace and c.relkind = 'v'
$$;

-- Every privilege in schema df that a role holds by itself, and who gave it.
create or replace function df.grants_of(p_role oid)
    returns table (object text, privilege text, grantor oid, grantable boolean)
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select g.object, g.privilege, g.grantor, g.is_grantable from (
        select 'schema df' as object, a.privilege_type as privilege, a.grantee, a.grantor, a.is_grantable
          from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'df'
        union all
        select format('%s df.%I', case c.relkind when 'S' then 'sequence' else 'table' end, c.relname),
               a.privilege_type, a.grantee, a.grantor, a.is_grantable
          from pg_class c, aclexplode(c.relacl) a where c.relnamespace = 'df'::regnamespace
        union all
        select format('table df.%I', c.relname), format('%s (%I)', a.privilege_type, t.attname),
               a.grantee, a.grantor, a.is_grantable
          from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
         where c.relnamespace = 'df'::regnamespace
        union all
        select format('routine %s', p.oid::regprocedure), a.privilege_type, a.grantee, a.grantor, a.is_grantable
          from pg_proc p, aclexplode(p.proacl) a where p.pronamespace = 'df'::regnamespace) as g
     where g.grantee = p_role
$$;

-- The role that calls, as a SECURITY DEFINER function can know it: SET ROLE shows in the setting
-- `role`, which no role can set to one it is not a member of.
create or replace function df.calling_role() returns oid
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select r.oid from pg_roles r
     where r.rolname = case when current_setting('role') in ('none', '') then session_user::text
                            else current_setting('role') end
$$;

-- Whether a role's grants on df are df_owner's own.
create or replace function df.acts_as_owner(p_role oid) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select coalesce((select r.rolsuper or pg_has_role(r.oid, 'df_owner', 'usage')
                       from pg_roles r where r.oid = p_role), false)
$$;

-- The oid of a role named raw. Errors: 42704 when there is none.
create or replace function df.role_named(p_role text) returns oid
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_oid oid;
begin
    select r.oid into v_oid from pg_roles r where r.rolname = p_role;
    if v_oid is null then
        raise exception 'role % does not exist', coalesce(quote_ident(p_role), 'NULL') using errcode = '42704';
    end if;
    return v_oid;
end
$$;

-- Grants everything a role needs, and makes its step login. include_http adds df.http; with_grant
-- makes the role an admin of this. Granting again mends what is missing, and gives the step login a
-- new password. Returns OK. Errors: 42704 for an unknown role, 42939 for one of df's own, 42501 for a
-- caller who may not. Where the caller may grant but not make logins, a warning holds the statement for one who may.
create or replace function df.grant_usage(
    p_role text, include_http boolean default false, with_grant boolean default false) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_oid oid := df.role_named(p_role);
begin
    perform df.record_grant(v_oid, coalesce(include_http, false), coalesce(with_grant, false));
    perform df.make_login(p_role, v_oid);
    return 'OK';
end
$$;

-- Errors: 42501 where a role may not grant the use of df, or not revoke it.
create or replace function df.check_granter(p_granter oid, p_act text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if not has_schema_privilege(p_granter, 'df', 'usage with grant option') then
        raise exception 'role % may not % the use of df', p_granter::regrole, p_act
            using errcode = '42501',
                  hint = 'The installing role may, and whom it granted to with_grant.';
    end if;
end
$$;

-- Errors: 42939 for a role that df itself is made of. Its rights are the installer's, in 99_grants.sql:
-- granting it more would be of no use, and revoking would leave the relay none.
create or replace function df.check_grantee(p_role oid) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if p_role in ('df_owner'::regrole, 'df_relay'::regrole) then
        raise exception 'role % is one of df''s own: its access is neither granted nor revoked', p_role::regrole
            using errcode = '42939', hint = 'df-relay install gives it what it needs.';
    end if;
end
$$;

-- Grants in df_owner's name, for a caller who has the right itself, and notes who asked.
create or replace function df.record_grant(p_role oid, p_http boolean, p_with_grant boolean) returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_caller oid := df.calling_role();
begin
    perform df.check_granter(v_caller, 'grant');
    perform df.check_grantee(p_role);
    if p_http and not has_function_privilege(
        v_caller, 'df.http(text,text,text,jsonb,integer)', 'execute with grant option')
    then
        raise exception 'role % may not grant df.http: its own access came without the option', v_caller::regrole
            using errcode = '42501', hint = 'Leave out include_http, or ask the installing role.';
    end if;
    -- What DROP OWNED took back is no grant any more.
    delete from df.usage_granted u
     where u.role_oid = p_role
       and not exists (select from df.grants_of(p_role) g where g.object = 'schema df');
    insert into df.usage_granted as u (role_oid, granter_oid, http, with_grant)
    values (p_role, df.granter(v_caller), p_http, p_with_grant)
    on conflict (role_oid, granter_oid) do update
        set http = u.http or excluded.http, with_grant = u.with_grant or excluded.with_grant;
    perform df.regrant(p_role, p_http, p_with_grant);
end
$$;

-- In whose name a role grants and revokes.
create or replace function df.granter(p_role oid) returns oid
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$ select case when df.acts_as_owner(p_role) then 'df_owner'::regrole::oid else p_role end $$;

-- Grants, as df_owner, which the caller is.
create or replace function df.regrant(p_role oid, p_http boolean, p_with_grant boolean) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_grant record;
begin
    for v_grant in select g.privileges, g.object, r.rolname
                     from df.usage_grants() g join pg_roles r on r.oid = p_role
                    where g.needs = '' or (g.needs = 'http' and p_http) or (g.needs = 'admin' and p_with_grant)
                    order by g.ordinal loop
        execute format('grant %s on %s to %I%s', v_grant.privileges, v_grant.object, v_grant.rolname,
                       case when p_with_grant then ' with grant option' else '' end);
    end loop;
end
$$;

-- Takes back what the caller granted, and the step login once nothing is left. A superuser, and
-- df_owner's members, take back everything; an admin only what it granted itself. What a revoked
-- admin had granted goes with its own. Errors: 42704 for an unknown role, 42939 for one of df's own,
-- 42501 for one's own access or a caller who is no admin.
create or replace function df.revoke_usage(p_role text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_oid  oid := df.role_named(p_role);
    v_gone oid;
begin
    if v_oid = quote_ident(current_user)::regrole::oid then
        raise exception 'a role cannot revoke its own access' using errcode = '42501';
    end if;
    for v_gone in select df.record_revoke(v_oid) loop
        perform df.drop_login(v_gone);
    end loop;
    if exists (select from df.grants_of(v_oid)) then
        raise warning 'role % keeps what others have granted to it', quote_ident(p_role);
    end if;
    return 'OK';
end
$$;

-- Takes back, as df_owner, what the caller granted to a role, and what the role itself had granted as an
-- admin that it no longer is. Returns the roles that are granted nothing any more. Errors: 42501 for a
-- caller who is no admin.
create or replace function df.record_revoke(p_role oid) returns setof oid
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_caller oid := df.calling_role();
    v_owner  boolean := df.acts_as_owner(v_caller);
begin
    perform df.check_granter(v_caller, 'revoke');
    perform df.check_grantee(p_role);
    delete from df.usage_granted u where u.role_oid = p_role and (v_owner or u.granter_oid = v_caller);
    if found or v_owner then
        return query select * from df.take_back(p_role);
    end if;
end
$$;

-- Revokes, as df_owner, what no grant that is left gives: from a role, and from those it granted to.
create or replace function df.take_back(p_role oid) returns setof oid
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_name  text := (select r.rolname from pg_roles r where r.oid = p_role);
    v_left  record;
    v_grant record;
begin
    select count(*) > 0 as any, coalesce(bool_or(u.http), false) as http,
           coalesce(bool_or(u.with_grant), false) as with_grant
      into v_left from df.usage_granted u where u.role_oid = p_role;
    if not v_left.any then
        for v_grant in select g.object, g.privilege from df.grants_of(p_role) g
                        where g.grantor = 'df_owner'::regrole::oid loop
            execute format('revoke %s on %s from %I cascade', v_grant.privilege, v_grant.object, v_name);
        end loop;
        return next p_role;
    else
        for v_grant in
            select g.privileges, g.object,
                   not (g.needs = 'http' and not v_left.http or g.needs = 'admin' and not v_left.with_grant) as stays
              from df.usage_grants() g loop
            if not v_grant.stays then
                execute format('revoke %s on %s from %I cascade', v_grant.privileges, v_grant.object, v_name);
            elsif not v_left.with_grant then
                execute format('revoke grant option for %s on %s from %I cascade', v_grant.privileges,
                               v_grant.object, v_name);
            end if;
        end loop;
    end if;
    if not v_left.with_grant then
        for v_grant in delete from df.usage_granted u where u.granter_oid = p_role returning u.role_oid loop
            return query select * from df.take_back(v_grant.role_oid);
        end loop;
    end if;
end
$$;
