-- What `df-relay doctor` asks: what in the set-up is wrong, and the statement that mends it. Read
-- alone. Each function returns a row per check that found something, or one that is well.

-- As df_owner: what the tables and the roles say.
create or replace function df.relay_doctor()
    returns table (topic text, well boolean, finding text, mend text)
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
    with starts as (
        -- Who may start workflows, as the tables say: a dump has that, and what its roles were called, and not their OIDs.
        select distinct a.grantee as role_oid
          from pg_attribute t, aclexplode(t.attacl) a join pg_roles r on r.oid = a.grantee
         where t.attrelid = 'df.instances'::regclass and a.privilege_type = 'INSERT'
           and r.rolname not in ('df_owner', 'df_admin', 'df_relay')
           and (not r.rolsuper or df.setting('allow_superuser_instances') = 'true')
    ), granted as (
        select g.role_oid, coalesce(g.login, df.step_login_name(g.role_oid)) as login, r.rolname as role_name, r.rolcanlogin,
               l.oid as login_oid, l.rolcanlogin as login_can, l.rolinherit, l.rolvaliduntil,
               array(select m.roleid from pg_auth_members m where m.member = l.oid) as member_of,
               exists (select from pg_db_role_setting s where s.setrole = l.oid and s.setdatabase = 0
                          and 'role=' || r.rolname = any (s.setconfig)) as acts_as_role
          from (select coalesce(k.role_oid, s.role_oid) as role_oid, k.login
                  from df.granted_roles k full join starts s on s.role_oid = k.role_oid
                 -- What a copy brought along of its original's roles, whose OIDs are nobody's here, or somebody else's.
                 where s.role_oid is not null or k.login = df.step_login_name(k.role_oid)) g
          left join pg_roles r on r.oid = g.role_oid
          left join pg_roles l on l.rolname = g.login
         -- Of a role that is gone its login is all that is left to mend.
         where r.oid is not null or l.oid is not null
    ), login_fault as (
        select g.*, case
                   when g.role_name is null then 'its role was dropped'
                   when g.login <> df.step_login_name(g.role_oid) then 'it belongs to the database that this one is a copy of'
                   when g.login_oid is null then 'it does not exist'
                   when not g.login_can then 'it may not log in'
                   when g.rolinherit then 'it inherits the rights of its role'
                   when g.rolvaliduntil < now() then 'its password has expired'
                   when g.member_of is distinct from array[g.role_oid] then 'it is not a member of its role alone'
                   when not g.acts_as_role then 'its sessions do not begin as its role'
               end as fault
          from granted g
    ), elsewhere as (
        select distinct i.database, g.login
          from df.instances i join granted g on g.role_oid = i.submitted_by::oid
         where i.status in ('pending', 'running') and i.database is not null
    ), relay as (
        select count(*) filter (where r.lease_until > clock_timestamp()) as live,
               count(*) filter (where r.lease_until <= clock_timestamp()) as gone,
               max(r.heartbeat_at) as seen from df.relays r
    ), relay_role as (
        select r.rolname, r.rolsuper, r.rolcanlogin, l.is_let_in,
               case when not l.is_let_in then format('connect to database %s', current_database())
                    when not has_schema_privilege(r.oid, 'df', 'usage') then 'use the schema df'
                    else (select 'execute ' || string_agg(p.oid::regprocedure::text, ', ' order by p.proname) from pg_proc p
                           where p.pronamespace = 'df'::regnamespace and starts_with(p.proname, 'relay_')
                             and not has_function_privilege(r.oid, p.oid, 'execute')) end as lacks
          from pg_roles r, has_database_privilege(r.oid, current_database(), 'connect') as l(is_let_in)
         where r.rolname = 'df_relay'
    ), waiting as (
        select count(*) as due, min(w.wake_at) as since from (
            select i.wake_at from df.instances i
             where i.owner is null and i.ended_at is null and i.paused_at is null
               and i.wake_at < (select df.clock() - interval '1 minute') limit 100000) w
    )
    select 'server version', v.n between 140000 and 189999,
           format('PostgreSQL %s', current_setting('server_version')),
           case when v.n < 140000 then 'Upgrade to PostgreSQL 14 or newer.'
                when v.n > 189999 then 'This release was tried on PostgreSQL 14 to 18.' end
      from (select current_setting('server_version_num')::integer) as v(n)
    union all
    select 'roles', coalesce(not o.rolsuper and r.rolcanlogin and not r.rolsuper and r.lacks is null, false),
           case when o.rolsuper then 'df_owner is a superuser: its functions would be, too'
                when r.rolname is null then 'the role df_relay is missing'
                when r.rolsuper then 'df_relay is a superuser'
                when not r.rolcanlogin then 'df_relay may not log in'
                when r.lacks is not null then 'df_relay may not ' || r.lacks else 'df_owner and df_relay are as they should be' end,
           case when o.rolsuper then 'ALTER ROLE df_owner NOSUPERUSER;'
                when r.rolname is null then 'Run df-relay install again.'
                when r.rolsuper then 'ALTER ROLE df_relay NOSUPERUSER;'
                when not r.rolcanlogin then 'ALTER ROLE df_relay LOGIN;'
                when not r.is_let_in then format('GRANT CONNECT ON DATABASE %I TO df_relay;', current_database())
                when r.lacks is not null then 'Run df-relay install again.' end
      from pg_roles o left join relay_role r on true where o.rolname = 'df_owner'
    union all
    select 'place', m.value = here.place,
           case when m.value = here.place then 'relays run on this database, and not on what it may be a copy of'
                else format('this is a copy of a database: relays ran on it at %s, and this is %s', m.value, here.place) end,
           case when m.value <> here.place then 'Run df-relay adopt, once this copy is to be the one that relays run on.' end
      from df.meta m, (select df.place() as place) here where m.key = 'place'
    union all
    select 'step logins', false, format('step login %s of role %s: %s', f.login, coalesce(f.role_name, f.role_oid::text), f.fault),
           case when f.role_name is null then format('DROP ROLE IF EXISTS %I;', f.login)
                when f.login_oid is null or f.login <> df.step_login_name(f.role_oid) then
                    format('SELECT df.grant_usage(%L);', f.role_name)
                when not f.login_can then format('ALTER ROLE %I LOGIN;', f.login)
                when f.rolinherit then format('ALTER ROLE %I NOINHERIT;', f.login)
                when f.rolvaliduntil < now() then format('ALTER ROLE %I VALID UNTIL ''infinity'';', f.login)
                when f.member_of = array[f.role_oid] then format('ALTER ROLE %I SET role = %I;', f.login, f.role_name)
                else format('SELECT df.revoke_usage(%L); SELECT df.grant_usage(%L);', f.role_name, f.role_name) end
      from login_fault f where f.fault is not null
    union all
    select 'step logins', true, format('%s granted, each with its own', count(*)), null
      from login_fault f having count(f.fault) = 0
    union all
    -- Of one that was dropped, the pass that removes what has expired fails the workflows.
    select 'step logins', false, format('role %s is not granted any more, and its workflows wait', r.rolname),
           format('SELECT df.grant_usage(%L);', r.rolname)
      from pg_roles r
     where not exists (select from granted g where g.role_oid = r.oid)
       -- Looked up for each role: there may be millions that wait.
       and exists (select from df.instances i where i.submitted_by = r.oid and i.status in ('pending', 'running'))
    union all
    select 'other databases', false, format('%s may not connect to database %s', e.login, e.database),
           format('GRANT CONNECT ON DATABASE %I TO %I;', e.database, e.login)
      from elsewhere e join pg_database d on d.datname = e.database
     where not has_database_privilege(e.login, d.oid, 'connect')
    union all
    select 'other databases', false, format('database %s does not exist, and instances wait for it', e.database), null
      from elsewhere e where not exists (select from pg_database d where d.datname = e.database)
    union all
    select 'relays', r.live > 0,
           case when r.live > 0 then format('%s with a lease that holds', r.live)
                else 'none has a lease that holds' || coalesce('; one was last seen at ' || r.seen, '') end,
           case when r.live = 0 then 'Start one: df-relay run --database-url …' end
      from relay r
    union all
    select 'relays', false, format('%s ended without handing over', r.gone),
           'Nothing to do: a running relay takes its instances over within its next pass.'
      from relay r where r.gone > 0 and r.live > 0
    union all
    select 'queue', w.due = 0 or r.live = 0,
           case when w.due = 0 then 'nothing has waited for a relay for a minute'
                else format('%s instances have waited for a relay since %s', w.due, w.since) end,
           case when w.due > 0 and r.live > 0 then 'Start more relays, or raise --step-connections.'
                when w.due > 0 then 'Start a relay.' end
      from waiting w, relay r
    union all
    (select 'parked events', false, format('%s could not be delivered: %s', o.event_id, left(o.last_error, 300)),
           format('SELECT df.release(%L);', o.event_id)
      from df.outbox o where o.parked_at is not null order by o.parked_at limit 20)
    union all
    select 'durability', false, format('%s is off: a crash of the server may lose or damage what was recorded', s.name),
           format('ALTER SYSTEM SET %s = on;', s.name)
      from pg_settings s where s.name in ('fsync', 'full_page_writes') and s.setting = 'off'
$$;

-- As the caller, who may see more of other sessions than df_owner: what keeps vacuum from removing
-- dead rows. Other roles' sessions are visible to superusers and members of pg_read_all_stats.
create or replace function df.relay_vacuum_horizon()
    returns table (topic text, well boolean, finding text, mend text)
    language sql volatile
    set search_path = pg_catalog, pg_temp
    as $$
    with holder as (
        select a.pid, a.usename, a.state, a.xact_start, a.application_name,
               greatest(age(a.backend_xmin), age(a.backend_xid)) as behind
          from pg_stat_activity a
         where a.xact_start < clock_timestamp() - interval '15 minutes' and a.pid <> pg_backend_pid()
           and coalesce(a.backend_xmin, a.backend_xid) is not null and a.backend_type = 'client backend'
    ), prepared as (
        select p.gid, p.prepared from pg_prepared_xacts p where p.prepared < clock_timestamp() - interval '15 minutes'
    ), slot as (
        select s.slot_name, age(s.xmin) as behind from pg_replication_slots s
         where not s.active and s.xmin is not null
    ), fault as (
        select format('backend %s of %s (%s) has had a transaction open since %s: no dead row since then can be removed',
                      h.pid, h.usename, h.state, h.xact_start) as finding,
               format('SELECT pg_terminate_backend(%s);', h.pid) as mend from holder h
        union all
        select format('prepared transaction %L is open since %s', p.gid, p.prepared), format('ROLLBACK PREPARED %L;', p.gid) from prepared p
        union all
        select format('the inactive replication slot %s holds back vacuum by %s transactions', s.slot_name, s.behind),
               format('SELECT pg_drop_replication_slot(%L);', s.slot_name) from slot s)
    select 'vacuum', false, f.finding, f.mend from fault f
    union all
    select 'vacuum', true, case when pg_has_role('pg_read_all_stats', 'usage') then 'no transaction is older than 15 minutes'
                                else 'no transaction that this role can see is older than 15 minutes' end, null
     where not exists (select from fault)
$$;

grant execute on function df.relay_doctor(), df.relay_vacuum_horizon() to df_admin;
