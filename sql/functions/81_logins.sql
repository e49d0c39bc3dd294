-- Step logins: the session users that steps run through, one per granted role, each a member of that
-- role alone. The server holds a SCRAM verifier, df.granted_roles the password, and only
-- df.relay_login tells it.

-- Makes or mends a role's step login, as the caller: that takes CREATEROLE and, from PostgreSQL 16,
-- ADMIN OPTION on the role. A caller who may not is told the statement for one who may. A superuser
-- gets a login only while superusers may start workflows.
create or replace function df.make_login(p_role text, p_oid oid) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_login    name := df.step_login_name(p_oid);
    v_verifier text;
    v_told     text := current_setting('client_min_messages');
begin
    if (select r.rolsuper from pg_roles r where r.oid = p_oid)
       and df.setting('allow_superuser_instances') <> 'true' then
        raise notice 'role % is a superuser and gets no step login while allow_superuser_instances is false',
            quote_ident(p_role);
        return;
    end if;
    perform df.drop_stray_logins();
    begin
        v_verifier := df.login_password(p_oid);
        execute format(case when exists (select from pg_roles r where r.rolname = v_login)
                            then 'alter role %I login noinherit password %L'
                            else 'create role %I login noinherit password %L' end, v_login, v_verifier);
        if not exists (select from pg_auth_members m join pg_roles r on r.oid = m.member
                        where m.roleid = p_oid and r.rolname = v_login) then
            execute format('grant %I to %I', p_role, v_login);
        end if;
        begin
            -- Its sessions begin as its role: behind a transaction pooler nothing else can say so to a
            -- statement that runs outside of a transaction. Whoever may not is told by the doctor. Untold: that the
            -- caller itself could not become that role, which it has no need to.
            perform set_config('client_min_messages', 'warning', true);
            execute format('alter role %I set role = %I', v_login, p_role);
            perform set_config('client_min_messages', v_told, true);
        exception when insufficient_privilege or invalid_parameter_value then
            null;
        end;
    exception when insufficient_privilege then
        raise warning 'making the step login of role % needs CREATEROLE, and ADMIN OPTION on the role',
            quote_ident(p_role)
            using hint = format('An administrator runs: SELECT df.grant_usage(%L);', p_role);
    end;
end
$$;

-- Stores a fresh password for a role's step login and returns its SCRAM verifier. Errors: 42501 when
-- the login is there and the caller could not change its password by itself.
create or replace function df.login_password(p_role oid) returns text
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_caller   oid := df.calling_role();
    v_login    name := df.step_login_name(p_role);
    v_password text := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
begin
    if not exists (select from pg_roles r where r.oid = v_caller and (r.rolsuper
            or (r.rolcreaterole and case
                when not exists (select from pg_roles l where l.rolname = v_login) then true
                when current_setting('server_version_num')::integer < 160000 then true
                else pg_has_role(v_caller, v_login, 'member with admin option') end))) then
        raise exception 'the step login of this role is not the caller''s to change' using errcode = '42501';
    end if;
    insert into df.granted_roles (role_oid, login, password) values (p_role, v_login, v_password)
    on conflict (role_oid) do update set password = excluded.password, login = excluded.login;
    return df.scram_verifier(v_password);
end
$$;

-- Drops the step login of a role that is granted nothing any more.
create or replace function df.drop_login(p_role oid) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_login name := df.step_login_name(p_role);
begin
    perform df.forget_login(p_role);
    if exists (select from pg_roles r where r.rolname = v_login) then
        execute format('drop role %I', v_login);
    end if;
exception when insufficient_privilege or dependent_objects_still_exist then
    raise warning 'the step login % could not be dropped: %', v_login, sqlerrm
        using hint = format('An administrator runs: DROP OWNED BY %I; DROP ROLE %I;', v_login, v_login);
end
$$;

-- Forgets a step login's password once its role is granted nothing or is gone.
create or replace function df.forget_login(p_role oid) returns void
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
    with gone as (delete from df.usage_granted u where u.role_oid = p_role
                      and not exists (select from df.grants_of(p_role)))
    delete from df.granted_roles g
     where g.role_oid = p_role and not exists (select from df.grants_of(p_role))
$$;

-- A dropped role leaves its step login behind, a member of nothing. The next grant by somebody who
-- may drop it does so.
create or replace function df.drop_stray_logins() returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_prefix text := df.step_login_name(0)::text;
    v_stray  record;
begin
    v_prefix := left(v_prefix, length(v_prefix) - 1);
    for v_stray in
        select l.rolname, substr(l.rolname, length(v_prefix) + 1)::bigint::oid as role_oid from pg_roles l
         where starts_with(l.rolname::text, v_prefix)
           and substr(l.rolname, length(v_prefix) + 1) ~ '^[0-9]{1,9}$'
           and not exists (select from pg_roles r
                            where r.oid = substr(l.rolname, length(v_prefix) + 1)::bigint::oid) loop
        begin
            execute format('drop role %I', v_stray.rolname);
            perform df.forget_login(v_stray.role_oid);
        exception when insufficient_privilege or dependent_objects_still_exist or undefined_object then
            null;
        end;
    end loop;
end
$$;
