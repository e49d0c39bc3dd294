-- Nothing is granted to PUBLIC. The relay's login executes the relay's functions and nothing else;
-- df_admin's members configure and reconcile.
revoke all on all functions in schema df from public;
revoke all on all tables in schema df from public;
revoke all on all sequences in schema df from public;

grant usage on schema df to @relay_role@, df_admin;
-- The version and the place, which `run`, `status` and `doctor` compare.
grant select on df.meta to @relay_role@, df_admin;
drop policy if exists relay_meta on df.meta;
create policy relay_meta on df.meta for select to @relay_role@ using (true);
drop policy if exists admin_meta on df.meta;
create policy admin_meta on df.meta for select to df_admin using (true);
grant execute on function df.setting(text) to @relay_role@, df_admin;
-- Of which df.relay_name is made.
grant execute on function df.server_run() to @relay_role@;
grant execute on function df.configure(text, text), df.write_setting(text, text) to df_admin;
grant execute on function df.reconcile() to df_admin;

do $$
declare
    v_function regprocedure;
    v_role     record;
    v_installer oid;
begin
    for v_function in select p.oid::regprocedure from pg_proc p
                       where p.pronamespace = 'df'::regnamespace and p.proname like E'relay\\_%' loop
        execute format('grant execute on function %s to @relay_role@', v_function);
    end loop;
    perform df.regrant('df_admin'::regrole, false, false);
    -- What an upgrade has added reaches the roles that were granted before, as far as they were.
    for v_role in
        select r.oid, coalesce(bool_or(a.object like 'routine df.http(%'), false) as http,
               bool_or(a.object = 'schema df' and a.grantable) as with_grant
          from pg_roles r, df.grants_of(r.oid) a
         where r.oid in (select u.role_oid from df.usage_granted u)
         group by r.oid loop
        perform df.regrant(v_role.oid, v_role.http, v_role.with_grant);
    end loop;
    -- Who installs and does not inherit df_owner's rights is df's first admin: as CREATEROLE's holder
    -- it can make step logins, which df_owner cannot.
    v_installer := quote_ident(session_user)::regrole;
    if not df.acts_as_owner(v_installer) then
        insert into df.usage_granted (role_oid, granter_oid, http, with_grant)
        values (v_installer, 'df_owner'::regrole, true, true) on conflict (role_oid, granter_oid) do nothing;
        perform df.regrant(v_installer, true, true);
    end if;
end
$$;
