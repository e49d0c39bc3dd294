-- df.why: one row that says in words what an instance waits for, since when, and what would release
-- it. First the pieces: relays, the leaves that are being executed or waited for, locks. All runs as
-- its caller, but for df.relays_seen; of an instance that the caller cannot see there is no row.

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
        select s.*, s.run_status = 'waiting'
                   -- A pause that is over is an attempt in progress.
                   and (s.node_type in ('SIGNAL', 'SLEEP', 'WAIT_SCHEDULE') or s.due_at > df.clock()) as waiting, r.created_at as begun_at, r.error as run_error,
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
                            left(btrim(regexp_replace(l.query, E'\\s+', ' ', 'g')), 200)) end,
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
           format('A step of this role (backend %s) waits for a lock that %s holds%s.', b.pid,
               case b.blocker when 0 then 'a prepared transaction' else 'backend ' || b.blocker end,
               case when a.pid is null then ''
                    else format(' (role %s%s%s%s)', quote_ident(a.usename),
                        coalesce(', application ' || nullif(quote_literal(a.application_name), ''''''), ''),
                        coalesce(', ' || a.state, ''),
                        coalesce(' since ' || df.readable_time(a.state_change), '')) end)
      from blocked b left join pg_stat_activity a on a.pid = b.blocker
     order by b.pid, b.blocker
$$;

-- A running instance whose relay is at work, or that only waits: its leaves, put into words.
create or replace function df.why_leaves(
    p_instance text, p_role oid, out state text, out waiting_for text, out since timestamptz,
    out release_by text, out detail text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
declare
    c_most  constant integer := 5;
    v_lock  record;
    v_steps boolean;
    v_count integer;
begin
    select case when bool_and(l.waits) then 'waiting' else 'running' end,
           string_agg(l.what, '; ' order by l.n) filter (where l.n <= c_most),
           min(l.since), string_agg(distinct l.release_by, E'\n') filter (where l.n <= c_most),
           string_agg('Its last error: ' || rtrim(l.last_error, '. ') || '.', ' ' order by l.n) filter (where l.n <= c_most),
           bool_or(l.kind = 'step'), count(*)
      into state, waiting_for, since, release_by, detail, v_steps, v_count
      from (select w.*, row_number() over () as n from df.waiting_leaves(p_instance) w) l;
    -- The nodes with a timeout around those leaves, and when they will fail.
    select nullif(concat_ws(' ', why_leaves.detail, string_agg(distinct format('The time of %s is up at %s; then it fails.',
               left(t.run_path, -length('.timeout.due')), df.readable_time(t.due_at)), ' ')), '')
      into detail
      from df.waiting_leaves(p_instance) w, df.paths_above(w.path) a(path)
      join df.node_runs t on t.instance_id = p_instance and t.run_path = a.path || '.timeout.due'
     where t.status = 'waiting';
    if v_count > c_most then
        waiting_for := waiting_for || format('; and %s more', v_count - c_most);
    end if;
    if v_steps and exists (select from pg_roles r where r.oid = p_role)
       and (to_regrole(df.step_login_name(p_role)::text) is null or not has_schema_privilege(p_role, 'df', 'usage')) then
        state := 'stalled';
        detail := concat_ws(' ', detail, format('Role %s is not granted the use of df any more, or has no step login.', p_role::regrole));
        release_by := concat_ws(E'\n', release_by, format('SELECT df.grant_usage(%L);',
            (select r.rolname from pg_roles r where r.oid = p_role)));
    elsif v_steps then
        select b.blocker, b.detail into v_lock from df.blocked_steps(p_instance, p_role) b limit 1;
        if found then
            detail := concat_ws(' ', detail, v_lock.detail);
            release_by := nullif(concat_ws(E'\n', release_by, case when v_lock.blocker <> 0
                then format('SELECT pg_terminate_backend(%s);', v_lock.blocker) end), '');
        end if;
    end if;
end
$$;

-- state is pending, running, waiting (for the clock or signals alone), paused, stalled (nothing will
-- happen until somebody acts, or a relay comes back), completed, failed or cancelled.
create or replace function df.why(instance_id text)
    returns table (state text, waiting_for text, since timestamptz, release_by text, detail text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
declare
    v_inst  df.instances%rowtype;
    v_relay record;
    v_event record;
    v_none  text := 'No relay is running: start one with df-relay run.';
begin
    select * into v_inst from df.instances i where i.id = why.instance_id;
    if not found then
        return;
    end if;
    state := v_inst.status;
    since := coalesce(v_inst.ended_at, v_inst.created_at);
    if v_inst.ended_at is not null then
        if v_inst.status = 'failed' then
            detail := format('%s failed: %s%s', coalesce(v_inst.error_path, 'root'),
                             coalesce('[' || v_inst.error_sqlstate || '] ', ''), v_inst.error);
            release_by := format('SELECT df.retry(%L);', v_inst.id);
        elsif v_inst.status = 'cancelled' then
            detail := 'It was cancelled: ' || rtrim(coalesce(v_inst.error, 'no reason was given'), '. ')
                || '. A cancel is final; df.start starts it anew.';
        else
            detail := 'It completed; SELECT df.result(' || quote_literal(v_inst.id) || ') has the result.';
        end if;
        return next;
        return;
    end if;

    v_relay := df.relays_seen(v_inst.owner);
    select o.event_id, o.last_error, o.parked_at into v_event from df.outbox o
     where o.event_id > v_inst.id || '/' and o.event_id < v_inst.id || '0'
       and o.parked_at is not null order by o.parked_at limit 1;
    if v_inst.paused_at is not null then
        state := 'paused';
        waiting_for := 'somebody to resume it';
        since := v_inst.paused_at;
        release_by := format('SELECT df.resume(%L);', v_inst.id);
        detail := case when v_relay.live = 0 then v_none end;
    elsif v_event.event_id is not null then
        state := 'stalled';
        waiting_for := 'the parked event ' || v_event.event_id;
        since := v_event.parked_at;
        release_by := format('SELECT df.release(%L);', v_event.event_id);
        detail := 'It could not be delivered: ' || coalesce(v_event.last_error, 'no error was kept');
    elsif v_relay.live = 0 and (v_inst.owner is not null or v_inst.wake_at <= df.clock()) then
        state := 'stalled';
        waiting_for := 'a relay';
        since := coalesce(v_relay.last_seen, v_inst.wake_at);
        detail := v_none || coalesce(' One was last seen at ' || df.readable_time(v_relay.last_seen) || '.', '');
    elsif v_inst.owner is not null and not v_relay.owner_live then
        state := 'stalled';
        waiting_for := 'another relay to take it over';
        since := coalesce(v_relay.owner_lease_until, v_inst.updated_at);
        detail := 'The relay that ran it is gone'
            || coalesce('; its lease ran out at ' || df.readable_time(v_relay.owner_lease_until), '')
            || '. Another takes it over within its next pass.';
    elsif v_inst.owner is null and v_inst.wake_at <= df.clock() then
        waiting_for := 'a relay to claim it';
        since := v_inst.wake_at;
        detail := format('%s running; one claims it at its next poll.',
                         case v_relay.live when 1 then 'One relay is' else v_relay.live || ' relays are' end);
    else
        select w.state, w.waiting_for, w.since, w.release_by, w.detail
          into state, waiting_for, since, release_by, detail
          from df.why_leaves(v_inst.id, v_inst.submitted_by) w;
        if waiting_for is null then
            state := v_inst.status;
            waiting_for := 'its relay to record its next step or its end';
        end if;
        since := coalesce(since, (select max(coalesce(r.ended_at, r.created_at)) from df.node_runs r
                                   where r.instance_id = v_inst.id), v_inst.updated_at);
        detail := nullif(concat_ws(' ', detail, case when v_relay.live = 0 then v_none end,
            (select format('A signal %L sent at %s is not delivered yet.', s.name, df.readable_time(s.created_at))
               from df.outbox o join df.signals s on s.instance_id = o.instance_id and s.key = o.key
              where o.instance_id = v_inst.id and o.kind = 'signal' and o.queued and o.parked_at is null and s.consumed_at is null
              order by s.n limit 1)), '');
    end if;
    return next;
end
$$;
