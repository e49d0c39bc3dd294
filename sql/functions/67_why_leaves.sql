-- What keeps an instance from moving, piece by piece, for df.why: relays, the leaves that are being
-- executed or waited for, and locks. Runs as its caller, but for df.relays_seen.

-- The relays, as far as anybody may know of them: how many hold a lease, when one was last seen, and
-- whether the given one still holds its own.
create or replace function df.relays_seen(
    p_owner uuid, out live integer, out last_seen timestamptz, out owner_live boolean,
    out owner_lease_until timestamptz)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$
    select count(*) filter (where r.lease_until > clock_timestamp())::integer, max(r.heartbeat_at),
           coalesce(bool_or(r.incarnation = p_owner and r.lease_until > clock_timestamp()), false),
           max(r.lease_until) filter (where r.incarnation = p_owner)
      from df.relays r
$$;

create or replace function df.readable_time(p_time timestamptz) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$ select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' $$;

-- The leaves that an instance has reached and that have not ended, in graph order. kind: signal,
-- timer, retry, request or step. waits: whether only the clock or a signal is waited for.
create or replace function df.waiting_leaves(p_instance text)
    returns table (path text, kind text, waits boolean, what text, since timestamptz,
                   due_at timestamptz, release_by text, last_error text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    with leaf as (
        select s.*, s.run_status = 'waiting' as waiting, r.created_at as begun_at, r.error as run_error,
               r.sqlstate as run_sqlstate,
               case when s.node_type in ('SIGNAL', 'WAIT_SCHEDULE', 'HTTP', 'HTTP_MULTIPART')
                    then s.query::json end as config
          from df.node_states_of(p_instance, false) s
          left join df.node_runs r on r.instance_id = p_instance and r.run_path = s.run_path
         where s.status = 'running' and s.node_type not in ('THEN', 'JOIN', 'RACE', 'IF', 'LOOP'))
    select l.run_path,
           case when l.node_type = 'SIGNAL' then 'signal'
                when l.node_type in ('SLEEP', 'WAIT_SCHEDULE') then 'timer'
                when l.waiting then 'retry'
                when l.node_type in ('HTTP', 'HTTP_MULTIPART') then 'request' else 'step' end,
           coalesce(l.waiting, false),
           case when l.node_type = 'SIGNAL' then
                    format('signal %L', l.config ->> 'signal_name')
                    || case when l.waiting and isfinite(l.due_at)
                            then ', at most until ' || df.readable_time(l.due_at) else '' end
                when l.node_type = 'SLEEP' then
                    coalesce('the time ' || case when l.waiting then df.readable_time(l.due_at) end, 'a sleep to begin')
                    || format(' (sleep of %ss)', l.query)
                when l.node_type = 'WAIT_SCHEDULE' then
                    coalesce('the time ' || case when l.waiting then df.readable_time(l.due_at) end, 'a schedule')
                    || format(' (schedule %L)', l.config ->> 'cron_expr')
                when l.waiting then
                    format('attempt %s of step %s, at %s', l.attempt + 1, l.run_path, df.readable_time(l.due_at))
                when l.node_type in ('HTTP', 'HTTP_MULTIPART') then
                    format('the answer to %s %s', l.config ->> 'method', left(l.config ->> 'url', 200))
                else format('step %s: %s', l.run_path,
                            left(btrim(regexp_replace(l.query, '\s+', ' ', 'g')), 200)) end,
           l.begun_at, case when l.waiting and isfinite(l.due_at) then l.due_at end,
           case when l.node_type = 'SIGNAL' then
                format('SELECT df.signal(%L, %L, %L);', p_instance, l.config ->> 'signal_name', '{}') end,
           coalesce('[' || l.run_sqlstate || '] ', '') || l.run_error
      from leaf l
$$;

-- Steps of a role that wait for a lock, and who holds it. Which of the role's instances a session
-- works for shows where its application_name says so; else any of its steps may be meant. Other
-- sessions' states are visible to their own roles and to pg_read_all_stats.
create or replace function df.blocked_steps(p_instance text, p_role oid)
    returns table (pid integer, blocker integer, detail text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    with step as (
        select a.pid, a.application_name like '%' || p_instance || '%' as named
          from pg_stat_activity a where a.usename = df.step_login_name(p_role)),
    blocked as (
        select s.pid, b.pid as blocker from step s, unnest(pg_blocking_pids(s.pid)) as b(pid)
         where s.named or not exists (select from step o where o.named))
    select b.pid, b.blocker,
           format('A step of this role (backend %s) waits for a lock that backend %s holds%s.', b.pid, b.blocker,
               case when a.pid is null then ''
                    else format(' (role %s%s%s%s)', quote_ident(a.usename),
                        coalesce(', application ' || nullif(quote_literal(a.application_name), ''''''), ''),
                        coalesce(', ' || a.state, ''),
                        coalesce(' since ' || df.readable_time(a.state_change), '')) end)
      from blocked b left join pg_stat_activity a on a.pid = b.blocker
     order by b.pid, b.blocker
$$;
