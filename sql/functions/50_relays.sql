-- A relay's life: register, heartbeat, hand over. Called by df_relay alone.

-- Registers this process and returns its fresh incarnation, which is stored nowhere. The lease runs on the server's clock.
-- p_runs_version is the newest kind of instance that this relay can run (instances.min_version).
-- Error: 55000 on a restored copy that nobody has adopted.
create or replace function df.relay_register(
    p_version text, p_lease_seconds double precision, p_poll_interval_ms integer,
    p_runs_version integer default 1) returns uuid
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_incarnation uuid := left(gen_random_uuid()::text, 24) || df.server_run();
begin
    if exists (select from df.meta m where m.key = 'place' and m.value <> df.place()) then
        raise exception 'this database is a copy of the one that relays ran on'
            using errcode = '55000', hint = 'df-relay adopt makes it the one to run.';
    end if;
    insert into df.relays (incarnation, version, runs_version, lease_until, poll_interval_ms)
    values (df.relay_name(v_incarnation), p_version, p_runs_version,
            clock_timestamp() + make_interval(secs => p_lease_seconds), p_poll_interval_ms);
    return v_incarnation;
end
$$;

-- Renews the lease. alive is false when the lease was taken, or the server has restarted: the relay
-- then takes a new incarnation. So it does when the rest tells it that it has failed over: what the
-- relay holds may be ahead of the database.
create or replace function df.relay_heartbeat(p_incarnation uuid, p_lease_seconds double precision)
    returns table (alive boolean, server_started text, timeline bigint, wal_position bigint)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    update df.relays r
       set heartbeat_at = clock_timestamp(),
           lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds)
     where r.incarnation = df.relay_name(p_incarnation) and r.lease_until > clock_timestamp();
    return query
        select found, pg_postmaster_start_time()::text,
               ('x' || lpad(left(pg_walfile_name(pg_current_wal_lsn()), 8), 16, '0'))::bit(64)::bigint,
               (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint;
end
$$;

-- Frees a batch of instances of relays whose lease ran out or was of an earlier run of the server, for anyone to claim; removes a relay
-- once nothing is left of it. Skips rows that somebody holds; the next pass gets them.
-- Returns how many instances it freed.
create or replace function df.relay_take_over(p_limit integer) returns integer
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_freed integer;
begin
    with lost as (
        select i.id from df.instances i
         where i.owner is not null
           and not exists (select from df.relays r
                            where r.incarnation = i.owner and r.lease_until > clock_timestamp()
                              and df.is_of_this_server_run(r.incarnation))
         order by i.id limit p_limit for update of i skip locked)
    update df.instances i set owner = null, wake_at = df.clock(), epoch = i.epoch + 1
      from lost where i.id = lost.id;
    get diagnostics v_freed = row_count;
    delete from df.relays r
     where (r.lease_until <= clock_timestamp() or not df.is_of_this_server_run(r.incarnation))
       and not exists (select from df.instances i where i.owner = r.incarnation);
    return v_freed;
end
$$;

-- Hands every instance of this relay over at once, and forgets the relay: a clean stop.
create or replace function df.relay_release(p_incarnation uuid) returns integer
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_name  uuid := df.relay_name(p_incarnation);
    v_freed integer;
begin
    with mine as (
        select i.id from df.instances i where i.owner = v_name
         order by i.id for update skip locked)
    update df.instances i set owner = null, wake_at = df.clock() from mine where i.id = mine.id;
    get diagnostics v_freed = row_count;
    -- Rows that somebody held are taken over as soon as they are free.
    update df.relays r set lease_until = clock_timestamp() where r.incarnation = v_name;
    delete from df.relays r where r.incarnation = v_name
       and not exists (select from df.instances i where i.owner = v_name);
    if v_freed > 0 then
        perform pg_notify('df_relay', '');
    end if;
    -- Once no relay is left callers notify nobody: commits that do share a lock. Looked for only afterwards, so
    -- that one which has registered meanwhile, and may sleep by now, is not passed by.
    if pg_sequence_last_value('df.relay_idle') = 2 then
        perform df.relay_set_idle(false);
        if exists (select from df.relays r where r.lease_until > clock_timestamp()) then
            perform df.relay_set_idle(true);
        end if;
    end if;
    return v_freed;
end
$$;

-- The step login of a role, its password, and its own settings as name=value, but for those that a
-- non-superuser may not set or that would change who the session is. No row for a
-- role that was dropped; no login for one that is not granted, nor for a superuser while they may not
-- start workflows.
create or replace function df.relay_login(p_role oid, p_database text)
    returns table (role_name name, login name, password text, settings text[], database_exists boolean)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$
    select r.rolname, case when not v.withheld then g.login end, case when not v.withheld then g.password end,
           array(select c.setting
                   from pg_db_role_setting s
                   left join pg_database d on d.oid = s.setdatabase,
                        unnest(s.setconfig) as c(setting)
                  where s.setrole = p_role
                    and (s.setdatabase = 0 or d.datname = coalesce(p_database, current_database()))
                    and split_part(c.setting, '=', 1) not in
                        ('role', 'session_authorization', 'client_encoding')
                    and (split_part(c.setting, '=', 1) like '%.%'
                         or exists (select from pg_settings g where g.context = 'user'
                                       and lower(g.name) = lower(split_part(c.setting, '=', 1))))
                  order by s.setdatabase),
           p_database is null or exists (select from pg_database d
                                          where d.datname = p_database and d.datallowconn)
      -- A copied database still names the original's login.
      from pg_roles r
           left join df.granted_roles g on g.role_oid = r.oid and g.login = df.step_login_name(r.oid),
           lateral (select r.rolsuper and df.setting('allow_superuser_instances') <> 'true' as withheld) v
     where r.oid = p_role
$$;

-- Every setting as it holds now.
create or replace function df.relay_settings() returns table (name text, value text)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$ select s.name, coalesce(s.value, s.default_value) from df.setting_values s $$;

-- Whether a role may make HTTP requests, judged when the node runs.
create or replace function df.relay_may_http(p_role oid, p_multipart boolean) returns boolean
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$
    select coalesce(has_function_privilege(p_role,
        case when p_multipart then 'df.http_multipart(text,text,jsonb,jsonb,integer)'
             else 'df.http(text,text,text,jsonb,integer)' end, 'execute'), false)
$$;

-- Marks that a relay sleeps (true) or works (false); callers notify only while one sleeps.
create or replace function df.relay_set_idle(p_idle boolean) returns void
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$ select setval('df.relay_idle', case when p_idle then 2 else 1 end) $$;

-- Fires at the caller's commit. The sequence is read outside any snapshot, so a long transaction
-- sees today's flag. Every start pays for it: every name is qualified instead of pinned.
create or replace function df.wake_relays() returns trigger
    language plpgsql volatile security definer
    as $$
begin
    -- Apart, since setting an expression up costs as much as evaluating it, and most find no relay idle.
    if pg_catalog.pg_sequence_last_value('df.relay_idle') operator(pg_catalog.=) 2 then
        if coalesce(pg_catalog.current_setting('df.notify', true), 'on') operator(pg_catalog.<>) 'off' then
            perform pg_catalog.pg_notify('df_relay', '');
        end if;
    end if;
    return null;
end
$$;

drop trigger if exists outbox_wake on df.outbox;
create constraint trigger outbox_wake after insert on df.outbox
    deferrable initially deferred for each row execute function df.wake_relays();
