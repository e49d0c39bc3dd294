-- Where the queue begins, for each role: what claiming and delivering (the next two files) start their scans at.
--
-- What a relay calls all the time is planned once, and by index, whatever statistics say: they are older than a burst, so that
-- a plan from before it would read all of it at each call; and for a list of one, or a hundred instances that wait, the server
-- may plan each call anew, which takes longer than the call. Sorts and bitmaps are off for the same reason: a queue that
-- was short when the plan was made would be read and sorted whole at each call, instead of up to what the call takes.
-- JIT is off since a small table without an index (df.clock_override) counts as dear then.

-- Arguments that these functions once lacked.
drop function if exists df.waiting_roles(integer), df.claimable(uuid, integer, integer), df.relay_look(uuid),
    df.relay_claim(uuid, integer), df.relay_deliver(uuid, integer);

-- The roles that have instances which nobody owns, and when the first of each that a relay of this
-- kind can run is due. Steps from role to role in the index, so a backlog of any length costs nothing.
-- With bounds (df.relay_bounds) it starts there in each role's part of the index. Runs under its caller's search_path.
create or replace function df.waiting_roles(p_runs integer, p_bounds json default null)
    returns table (role regrole, next_wake timestamptz)
    language plpgsql volatile
    as $$
#variable_conflict use_column
begin
    if p_bounds is null then
        role := 0;
        loop
            select i.submitted_by, i.wake_at into role, next_wake from df.instances i
             where i.owner is null and i.ended_at is null and i.paused_at is null
               and i.submitted_by > waiting_roles.role and i.min_version <= p_runs
             order by i.submitted_by, i.wake_at limit 1;
            exit when not found;
            return next;
        end loop;
        return;
    end if;
    return query
        select k.role, w.wake_at
          from (select g.role_oid::regrole as role from df.granted_roles g
                union select b.key::oid::regrole from json_each_text(p_bounds -> 'instances') b) k,
               lateral (select i.wake_at from df.instances i
                         where i.owner is null and i.ended_at is null and i.paused_at is null
                           and i.submitted_by = k.role and i.min_version <= p_runs
                           and i.wake_at >= df.bound_of(p_bounds, k.role)
                         order by i.wake_at limit 1) w;
end
$$;

-- Where a role's part of the queue begins. In SQL, so that the server puts it in line.
create or replace function df.bound_of(p_bounds json, p_role oid) returns timestamptz
    language sql stable
    as $$ select coalesce((p_bounds -> 'instances' ->> p_role::text)::timestamptz, '-infinity') $$;

-- Where the scans may start: before each role's first instance to claim and the first event to
-- deliver there is nothing but dead rows, which a scan from the head reads one by one while an old
-- transaction anywhere keeps them from being removed. A few seconds are left to transactions that have
-- begun and not committed; what commits later still is found when the bounds are taken anew.
-- cost is what reading from the head took, in seconds: while that is next to nothing, do without.
create or replace function df.relay_bounds(p_incarnation uuid)
    returns table (bounds text, cost double precision)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set enable_bitmapscan = off
    set enable_sort = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
declare
    v_began timestamptz := clock_timestamp();
    v_late  timestamptz := df.clock() - interval '5 seconds';
    v_runs  integer := (select r.runs_version from df.relays r where r.incarnation = df.relay_name(p_incarnation));
    v_all   json;
    v_event timestamptz;
begin
    with waiting as materialized (select * from df.waiting_roles(v_runs, null))
    select json_object_agg(k.role::oid::text, least(w.next_wake, v_late)) into v_all
      from (select g.role_oid::regrole as role from df.granted_roles g
            union select x.role from waiting x) k
      left join waiting w on w.role = k.role;
    select min(o.created_at) into v_event from df.outbox o
     where o.queued and o.parked_at is null;
    bounds := json_build_object('instances', coalesce(v_all, '{}'),
        'events', least(v_event, clock_timestamp() - interval '5 seconds'))::text;
    cost := extract(epoch from clock_timestamp() - v_began);
    return next;
end
$$;
