-- What a relay publishes of itself and of the queue, and what `df-relay status` prints. Read alone.

-- One row for the metrics of the relay with this incarnation. Counts stop at a bound, so that a
-- scrape costs the same however long the queue is. due is what might run and is nobody's: starts, which are among what is
-- undelivered as well, and whatever a timer, a signal or a takeover woke.
drop function if exists df.relay_health(uuid);  -- told nothing of what is due
create or replace function df.relay_health(p_incarnation uuid)
    returns table (undelivered bigint, oldest_undelivered_seconds double precision, parked bigint,
                   due bigint, oldest_due_seconds double precision,
                   claimed bigint, relays bigint, lease_left_seconds double precision,
                   heartbeat_age_seconds double precision)
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    -- Estimates of what waits for each role are high enough to have it compiled, at every scrape.
    set jit = off
    as $$
    with me as (select df.relay_name(p_incarnation) as name), due as (
        -- Role by role, so that what only waits is not read, however much it is.
        select d.* from df.waiting_roles(2147483647) r, lateral (
               select i.created_at, i.wake_at, i.epoch from df.instances i
                where i.submitted_by = r.role and i.owner is null and i.ended_at is null
                  and i.paused_at is null and i.wake_at <= (select df.clock())
                order by i.wake_at limit 100000) d
         limit 100000
    ), waiting as (
        select d.created_at from due d where d.epoch = 0
        union all
        (select o.created_at from df.outbox o
          where o.queued and o.parked_at is null limit 100000))
    select (select count(*) from waiting),
           coalesce((select extract(epoch from clock_timestamp() - min(w.created_at)) from waiting w), 0),
           (select count(*) from (select from df.outbox o where o.parked_at is not null limit 100000) p),
           (select count(*) from due),
           coalesce((select extract(epoch from df.clock() - min(d.wake_at)) from due d), 0),
           (select count(*) from df.instances i where i.owner = (select n.name from me n)),
           count(*) filter (where r.lease_until > clock_timestamp()),
           coalesce(extract(epoch from max(r.lease_until) filter (where r.incarnation = (select n.name from me n))
                                        - clock_timestamp()), 0),
           coalesce(extract(epoch from clock_timestamp()
                                        - max(r.heartbeat_at) filter (where r.incarnation = (select n.name from me n))), 0)
      from df.relays r
$$;

-- A clock stands in a subquery wherever rows are compared with it: a volatile function by itself would be called for
-- every one of them, and no index could be searched by it.

-- What is running and what is stuck, as one JSON object: relays, instances by status, undelivered
-- and parked events, the oldest unfinished instances with what they wait for.
create or replace function df.relay_status() returns json
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
    as $$
    with relay as (
        select r.incarnation, r.version, r.started_at, r.heartbeat_at,
               r.lease_until > clock_timestamp() as live,
               (select count(*) from df.instances i where i.owner = r.incarnation) as instances
          from df.relays r order by r.started_at
    ), health as (
        select * from df.relay_health(null)
    ), stuck as (
        -- What ought to move and has not for a minute.
        select i.id, i.label, i.wake_at, i.owner, count(*) over () as among
          from df.instances i
         where i.status in ('pending', 'running') and i.paused_at is null
           and (i.owner is null and i.wake_at < (select df.clock() - interval '1 minute')
                or i.owner is not null and not exists (
                   select from relay r where r.incarnation = i.owner and r.live))
         order by i.wake_at limit 20)
    select json_build_object(
        'database', current_database(),
        'time', clock_timestamp(),
        'relays', coalesce((select json_agg(r) from relay r), '[]'),
        'instances', (select json_build_object(
            'unclaimed', count(*) filter (where i.owner is null and i.paused_at is null and i.wake_at <= (select df.clock())),
            'running', count(*) filter (where i.owner is not null),
            'waiting', count(*) filter (where i.owner is null and i.paused_at is null and i.wake_at > (select df.clock())),
            'paused', count(*) filter (where i.paused_at is not null))
            from df.instances i where i.status in ('pending', 'running')),
        'ended_last_day', (select json_build_object(
            'completed', count(*) filter (where i.status = 'completed'),
            'failed', count(*) filter (where i.status = 'failed'),
            'cancelled', count(*) filter (where i.status = 'cancelled'))
            from df.instances i where i.ended_at > (select clock_timestamp() - interval '1 day')),
        'undelivered', (select h.undelivered from health h),
        'oldest_undelivered_seconds', (select round(h.oldest_undelivered_seconds::numeric, 1) from health h),
        'parked', (select h.parked from health h),
        'parked_events', coalesce((select json_agg(json_build_object('event_id', p.event_id, 'error', p.last_error))
                                     from (select o.event_id, o.last_error from df.outbox o
                                            where o.parked_at is not null order by o.parked_at limit 20) p), '[]'),
        'stuck_count', coalesce((select max(s.among) from stuck s), 0),
        'stuck', coalesce((select json_agg(json_build_object('id', s.id, 'label', s.label, 'since', s.wake_at,
                           'why', case when s.owner is null then 'no relay has claimed it'
                                       else 'its relay is gone and none has taken it over' end)) from stuck s), '[]'))
$$;


grant execute on function df.relay_status() to df_admin;
