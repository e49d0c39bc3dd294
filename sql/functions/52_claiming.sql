-- Claiming: how instances reach a relay. By state, never by a sequence cursor: commit order is not sequence
-- order. Delivering, and giving back, is the next file's.

-- What claiming once called, and what it takes now.
drop function if exists df.relay_own(uuid, text[]), df.claimable(uuid, integer, integer, json);

-- Instances that nobody owns and whose time has come, locked, each role's oldest first. Room for
-- p_limit is shared out evenly among the roles that have some; what one leaves the others fill. Beside
-- other relays (p_shared) one claim takes of each role no more than this relay may run of it at a time: the
-- first to wake would else run a burst alone while the others look on. With p_limit 0 the relay is
-- full: each role of which it owns fewer than max_steps_per_role gets the difference, so that whoever
-- filled it keeps nobody else out. Runs under its caller's search_path.
create or replace function df.claimable(
    p_owner uuid, p_limit integer, p_runs integer, p_shared boolean, p_bounds json)
    returns text[]
    language plpgsql volatile
    as $$
declare
    v_now   timestamptz := df.clock();
    v_roles oid[] := array(select w.role from df.waiting_roles(p_runs, p_bounds) w
                            where w.next_wake <= v_now order by random());
    v_each  integer := ceil(p_limit / greatest(cardinality(v_roles), 1)::numeric);
    v_most  integer := p_limit;
    v_room  integer;
    v_owned jsonb;
    v_role  oid;
    v_ids   text[] := '{}';
begin
    if v_roles = '{}' then
        return v_ids;
    end if;
    if p_limit = 0 or p_shared then
        v_most := df.setting('max_steps_per_role');
        v_each := least(v_each, v_most);
    end if;
    if p_limit = 0 then
        -- Counted once for all roles: a full relay owns thousands.
        select coalesce(jsonb_object_agg(o.role, o.instances), '{}') into v_owned
          from (select i.submitted_by::oid as role, count(*) as instances
                  from df.instances i where i.owner = p_owner group by i.submitted_by) as o;
    end if;
    for v_pass in 1..2 loop
        foreach v_role in array v_roles loop
            v_room := case when p_limit = 0 then v_most - coalesce((v_owned ->> v_role::text)::integer, 0)
                           else least(v_each, p_limit - cardinality(v_ids)) end;
            continue when v_room <= 0;
            v_ids := v_ids || array(
                select i.id from df.instances i
                 where i.owner is null and i.ended_at is null and i.paused_at is null and i.submitted_by = v_role
                   and i.wake_at between df.bound_of(p_bounds, v_role) and v_now
                   and i.min_version <= p_runs and i.id <> all (v_ids)
                 order by i.wake_at limit v_room for update skip locked);
        end loop;
        exit when p_limit = 0 or cardinality(v_ids) >= p_limit or cardinality(v_roles) = 1;
        v_each := v_most;
    end loop;
    return v_ids;
end
$$;

-- Claims instances that nobody owns and whose time has come, shared out among the roles that have
-- some; p_limit 0 says that the relay is full (df.claimable). p_bounds is what df.relay_bounds told, or null. Claiming is owning: owner, epoch,
-- status and the start's delivery commit together, before any engine call.
create or replace function df.relay_claim(p_incarnation uuid, p_limit integer, p_bounds json default null)
    returns table (instance_id text, epoch bigint, graph_id bigint, submitted_by oid, database text,
                   label text, vars text, fresh boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set enable_bitmapscan = off
    set enable_sort = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    v_name   uuid := df.relay_name(p_incarnation);
    v_runs   integer;
    v_shared boolean;
    v_ids    text[];
    v_starts text[];
begin
    -- A relay whose lease ran out, or that registered before the server restarted, must not own
    -- anything new.
    select r.runs_version,
           exists (select from df.relays o where o.incarnation <> v_name and o.lease_until > clock_timestamp())
      into v_runs, v_shared
      from df.relays r where r.incarnation = v_name and r.lease_until > clock_timestamp();
    if not found then
        return;
    end if;
    v_ids := df.claimable(v_name, p_limit, v_runs, v_shared, p_bounds);
    if v_ids = '{}' then
        return;
    end if;
    v_starts := array(select id || '/start' from unnest(v_ids) as id);
    update df.outbox o set delivered_at = clock_timestamp()
     where o.event_id = any (v_starts) and o.delivered_at is null;
    return query
        update df.instances i
           set owner = v_name, epoch = i.epoch + 1, status = 'running',
               updated_at = case when i.status = 'pending' then clock_timestamp() else i.updated_at end
         where i.id = any (v_ids)
        returning i.id, i.epoch, i.graph_id, i.submitted_by::oid, i.database, i.label::text, i.vars::text,
                  i.epoch = 1;
end
$$;
