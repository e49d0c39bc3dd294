-- Looking and delivering: how events reach a relay, and how instances leave it again. By state, never by a
-- sequence cursor: commit order is not sequence order.

-- What an idle relay asks: whether there is anything to claim or deliver, and until when it may
-- sleep without missing what is due: seconds until the next wake_at, null when nothing waits for the
-- clock. Rows that somebody has locked count as work. Locks nothing.
create or replace function df.relay_look(p_incarnation uuid, p_bounds json default null)
    returns table (work boolean, next_wake double precision)
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
    v_name uuid := df.relay_name(p_incarnation);
begin
    return query
    -- The events apart (offset 0), or they would be sought from the instances; in the order of the index
    -- that knows the bound.
    select coalesce(w.seconds <= 0, false)
           or exists (select from (
                  select o.instance_id from df.outbox o
                   where o.queued and o.parked_at is null
                     and o.created_at >= coalesce((p_bounds ->> 'events')::timestamptz, '-infinity')
                     and (o.retry_at is null or o.retry_at <= clock_timestamp())
                   order by o.created_at offset 0) e join df.instances i on i.id = e.instance_id
                       where i.owner = v_name or i.owner is null),
           w.seconds
      from (select extract(epoch from min(r.next_wake) - df.clock())::double precision as seconds
              from df.waiting_roles((select l.runs_version from df.relays l
                                      where l.incarnation = v_name), p_bounds) as r
             where r.next_wake < 'infinity') as w;
end
$$;

-- Delivers the events of instances that this relay owns or that nobody owns; an instance that has
-- been cancelled is let go of.
-- A role's signals to one instance are handed over in the order in which they were numbered.
-- Reads p_limit events, and up to as many more for each of their instances.
-- Returns a row per event, and what the engine should be told: kind 'cancel' (stop it), 'signal'
-- (look at these waits, if there are any), 'pause' (start nothing more of it), 'resume'.
create or replace function df.relay_deliver(p_incarnation uuid, p_limit integer, p_bounds json default null)
    returns table (kind text, instance_id text, woken text[])
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set enable_bitmapscan = off
    set enable_sort = off
    set enable_hashjoin = off
    set enable_mergejoin = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    v_name  uuid := df.relay_name(p_incarnation);
    v_done  text[] := '{}';
    v_inst  record;
    v_event record;
    v_signals integer;
    v_pending text[];
begin
    for v_inst in
        -- Event by event, in the order of the index that knows the bound; an instance once for each.
        select i.id, i.owner, i.status, i.ended_at, i.paused_at
          from (select o.instance_id from df.outbox o
                 where o.queued and o.parked_at is null
                   and o.created_at >= coalesce((p_bounds ->> 'events')::timestamptz, '-infinity')
                   and (o.retry_at is null or o.retry_at <= clock_timestamp())
                 order by o.created_at offset 0) e
          join df.instances i on i.id = e.instance_id
         where i.owner = v_name or i.owner is null
         limit p_limit for no key update of i skip locked
    loop
        continue when v_inst.id = any (v_done);
        v_done := v_done || v_inst.id;
        instance_id := v_inst.id;
        v_signals := 0;
        for v_event in
            select o.event_id, o.kind, s.key, s.name, s.created_at, s.consumed_at is not null as is_consumed
              from df.outbox o
              -- Each by its whole key (offset 0): where statistics say that an instance has few signals, a join reads all that
              -- this one has for each of its events.
              left join lateral (select * from df.signals a
                                  where a.instance_id = v_inst.id and a.key = o.key offset 0) s on true
             where o.instance_id = v_inst.id and o.queued
               -- Said so that the index of what is to be delivered cannot serve: statistics from a quiet time promise
               -- that there is nothing in it, and each instance would read all of it.
               and coalesce(o.parked_at, 'infinity') = 'infinity'
             order by s.n nulls first, o.created_at, o.event_id limit p_limit
        loop
            begin
                kind := v_event.kind;
                woken := null;
                if v_inst.ended_at is null and v_event.kind = 'signal' then
                    v_signals := v_signals + 1;
                    if v_event.is_consumed then
                        woken := df.woken_since(v_inst.id, v_event.name, v_event.created_at);
                    else
                        -- Of many signals all but the first are looked up only where somebody waits for their name.
                        if v_signals = 2 then
                            v_pending := df.pending_signals(v_inst.id);
                        end if;
                        if v_signals = 1 or v_event.name = any (v_pending) then
                            woken := df.hand_signal(v_inst.id, v_event.key);
                            v_pending := array_remove(v_pending, v_event.name);
                        end if;
                    end if;
                    if v_inst.owner is null and woken <> '{}' then
                        update df.instances i set wake_at = df.clock()
                         where i.id = v_inst.id and i.wake_at > df.clock() and i.ended_at is null;
                    end if;
                end if;
                update df.outbox o set delivered_at = clock_timestamp(), queued = false
                 where o.event_id = v_event.event_id;
                if v_event.kind = 'pause' and v_inst.paused_at is null
                   or v_event.kind = 'resume' and v_inst.paused_at is not null then
                    kind := 'overtaken';
                end if;
                return next;
            exception when others then
                perform df.postpone_event(v_event.event_id, sqlerrm);
            end;
        end loop;
        if v_inst.ended_at is not null then
            -- One that was cancelled before any relay claimed it never had its start delivered.
            update df.outbox o set delivered_at = clock_timestamp()
             where o.event_id = v_inst.id || '/start' and o.delivered_at is null;
            if v_inst.status = 'cancelled' then
                perform df.end_intents(v_inst.id, v_inst.ended_at);
            end if;
        end if;
        if v_inst.ended_at is not null and v_inst.owner is not null then
            update df.instances i set owner = null where i.id = v_inst.id;
        end if;
    end loop;
end
$$;

-- Ends what a cancelled instance had begun outside of its transactions: nobody waits for it any more.
-- The loser of a decided race, and what ran in a node when its time was up, ended with that decision
-- and stay as they are recorded. The caller holds the instance's lock; a retry finds none left.
create or replace function df.end_intents(p_instance text, p_ended_at timestamptz) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    update df.node_runs r
       set status = 'failed', ended_at = greatest(p_ended_at, r.created_at), sqlstate = '57014',
           error = 'cancelled while it ran: what came of it is not known'
     where r.instance_id = p_instance and r.status = 'intent'
       and not exists (
           select from df.node_runs d
            where d.instance_id = p_instance and d.status = 'decided'
              and case when d.run_path like '%.timeout'
                       then d.turn = 1 and starts_with(r.run_path || '.', regexp_replace(d.run_path, 'timeout$', ''))
                       else starts_with(r.run_path, d.run_path || case d.turn when 0 then '.right' else '.left' end)
                            and exists (select from df.instances i join df.graphs g on g.id = i.graph_id,
                                               df.node_tree(g.graph) t
                                         where i.id = p_instance and t.node_type = 'RACE'
                                           and t.path = df.static_path(d.run_path)) end);
end
$$;

-- What a signal that was found in the inbox has woken, and others since then: they are told once more, which is
-- harmless. Whoever found it could not tell the engine of all of them.
create or replace function df.woken_since(p_instance text, p_name text, p_since timestamptz) returns text[]
    language sql volatile
    as $$
    select coalesce(array_agg(r.run_path order by r.run_path), '{}') from df.node_runs r
     where r.instance_id = p_instance and r.signal_name = p_name and r.status = 'completed' and r.ended_at >= p_since
$$;

-- The names of the signals for which a wait of the instance is pending and not decided against. A name that is handed to
-- its waits is none of them any more, however many there were.
create or replace function df.pending_signals(p_instance text) returns text[]
    language sql volatile
    as $$
    select coalesce(array_agg(distinct r.signal_name), '{}')
      from df.node_runs r, json_to_record(r.detail) as d(within text[], turns integer[])
     where r.instance_id = p_instance and r.status = 'waiting' and r.signal_name is not null
       and (coalesce(d.within, '{}') = '{}' or not df.decided_against(p_instance, d.within, d.turns))
$$;

-- Hands one signal to every wait of its name that is pending and not decided against. With none
-- pending it stays in the inbox for the first wait to come. A wait whose end is the instance's ends that, too, as the
-- last step's record does; but nothing more happens to one that is paused before its resume. Returns the run
-- paths woken. The caller holds the instance's lock and pins the search_path. Errors: 54000 where the waits would hold
-- more of it than 64 MB together.
create or replace function df.hand_signal(p_instance text, p_key text) returns text[]
    language plpgsql volatile
    as $$
declare
    v_signal record;
    v_wait   record;
    v_result json;
    v_woken  text[] := '{}';
    v_bytes  bigint := 0;
begin
    select s.name, s.data into v_signal from df.signals s
     where s.instance_id = p_instance and s.key = p_key and s.consumed_at is null;
    if not found then
        return v_woken;
    end if;
    v_result := df.signal_result(v_signal.name, v_signal.data);
    for v_wait in
        select r.run_path, r.epoch, d.within, d.turns, d.decides, d.ends
          from df.node_runs r,
               json_to_record(r.detail) as d(within text[], turns integer[], decides text[], ends text)
         where r.instance_id = p_instance and r.status = 'waiting' and r.signal_name = v_signal.name
         order by r.run_path
    loop
        continue when v_wait.within <> '{}' and df.decided_against(p_instance, v_wait.within, v_wait.turns);
        v_bytes := v_bytes + octet_length(v_result::text);
        if v_bytes > 67108864 then
            raise exception 'signal % of % bytes would be kept by more waits than fit 64 MB',
                v_signal.name, octet_length(v_result::text) using errcode = '54000';
        end if;
        perform df.end_wait(p_instance, v_wait.run_path, v_result);
        if v_wait.decides <> '{}' then
            perform df.decide(p_instance, v_wait.epoch, v_wait.within, v_wait.turns, v_wait.decides);
        end if;
        if v_wait.ends is not null
           and exists (select from df.instances i where i.id = p_instance and i.paused_at is null) then
            perform df.end_instance(p_instance, v_wait.ends, v_result, null, null, v_wait.run_path);
        end if;
        v_woken := v_woken || v_wait.run_path;
    end loop;
    if v_woken <> '{}' then
        update df.signals s set consumed_at = clock_timestamp(), consumed_by = v_woken[1]
         where s.instance_id = p_instance and s.key = p_key;
    end if;
    return v_woken;
end
$$;

-- An event that could not be delivered is tried again after 1, 2, 4 … seconds, then parked where
-- df.parked_events shows it. It never blocks another.
create or replace function df.postpone_event(p_event_id text, p_error text) returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
    as $$
    update df.outbox o
       set attempts = o.attempts + 1, last_error = left(p_error, 10000),
           retry_at = clock_timestamp() + make_interval(secs => least(power(2, o.attempts), 3600)),
           parked_at = case when o.attempts + 1 >= df.setting('delivery_attempts')::integer
                            then clock_timestamp() end
     where o.event_id = p_event_id
$$;

-- What is recorded of an instance, one row per run. Of results a replay needs those of conditions,
-- whose truth the relay reads from the recorded text as it did when it came; asks says which those
-- are, and result holds the text where it is short: a long one is fetched by itself.
drop function if exists df.relay_load(uuid, text[]);  -- said what a condition is worth by its own reading
create or replace function df.relay_recorded(p_incarnation uuid, p_instances text[])
    returns table (instance_id text, run_path text, status text, turn integer, attempt integer,
                   asks boolean, result text, error text, sqlstate text, detail text)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
begin
    return query
    select r.instance_id, r.run_path, r.status::text, r.turn, r.attempt,
           r.status = 'completed' and r.run_path like E'%condition\\_node%',
           case when r.status = 'completed' and r.run_path like E'%condition\\_node%'
                     and octet_length(r.result::text) <= 65536 then r.result::text end,
           r.error, r.sqlstate, case when r.status = 'checkpoint' then r.detail::text end
      from df.node_runs r
     where r.instance_id = any (p_instances);
end
$$;

-- The results of some runs, as JSON text, up to the one with which they are larger than p_enough_bytes:
-- whoever asks for them cannot hold the rest. They are read one by one, so that the server need not either.
drop function if exists df.relay_results(text, text[]);  -- read all of them
create or replace function df.relay_results(p_instance text, p_paths text[], p_enough_bytes bigint default null)
    returns table (run_path text, result text)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
declare
    v_run   record;
    v_bytes bigint := 0;
begin
    for v_run in
        select r.run_path, r.result from df.node_runs r
         where r.instance_id = p_instance and r.run_path = any (p_paths)
    loop
        run_path := v_run.run_path;
        result := v_run.result::text;
        return next;
        v_bytes := v_bytes + coalesce(octet_length(result), 0);
        exit when v_bytes > p_enough_bytes;
    end loop;
end
$$;

-- A graph, for the instance's own submitter: a forged graph_id of another role's graph is no row.
create or replace function df.relay_graph(p_graph_id bigint, p_owner oid)
    returns table (graph text, hash bytea)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
begin
    return query
    select g.graph, g.hash from df.graphs g where g.id = p_graph_id and g.owner::oid = p_owner;
end
$$;

-- Gives back instances that only wait: owner null, wake_at when the first of their waits is due.
-- One that was woken meanwhile becomes claimable at once; one that is to be rebuilt from what is
-- recorded (delay is not null) after that many seconds.
-- p_entries: [{"instance","epoch","waits":[run path, …],"delay":seconds|null}]. Returns the
-- instances given back, and, as busy, those that somebody has locked: they are to be sent again.
create or replace function df.relay_park(p_incarnation uuid, p_entries json)
    returns table (instance_id text, busy boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set enable_hashjoin = off
    set enable_mergejoin = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    v_name uuid := df.relay_name(p_incarnation);
    -- Lists, so that instances are found by their keys, and not read through to be compared with the entries.
    v_all  text[] := array(select x.instance from json_to_recordset(p_entries) as x(instance text));
    v_ids  text[] := array(
        select i.id from df.instances i where i.id = any (v_all) order by i.id for no key update skip locked);
begin
    return query
        update df.instances i
           set owner = null,
               wake_at = case when w.delay is not null then df.clock() + make_interval(secs => w.delay)
                              -- Never in the past, where a scan may not start any more.
                              when w.pending = w.expected then greatest(coalesce(w.due, 'infinity'), df.clock())
                              else df.clock() end
          from (select x.instance, x.epoch, x.delay, cardinality(x.waits) as expected, r.pending, r.due
                  from json_to_recordset(p_entries)
                       as x(instance text, epoch bigint, waits text[], delay double precision),
                       -- Entry by entry: as a join it may be read from the runs.
                       lateral (select count(*) as pending, min(n.due_at) as due from df.node_runs n
                                 where n.instance_id = x.instance and n.run_path = any (x.waits)
                                   and n.status = 'waiting') as r) as w
         where i.id = w.instance and i.id = any (v_ids) and i.epoch = w.epoch
           -- As in df.may_write, where no index can serve.
           and coalesce(i.owner = v_name, false) and i.ended_at is null
        returning i.id, false;
    return query
        select i.id, true
          from json_to_recordset(p_entries) as x(instance text, epoch bigint)
          join df.instances i on i.id = x.instance
         where i.id = any (v_all) and i.id <> all (v_ids) and i.epoch = x.epoch and coalesce(i.owner = v_name, false)
           and i.ended_at is null;
end
$$;

-- What a relay owns, for its periodic comparison with the engine.
create or replace function df.relay_owned(p_incarnation uuid)
    returns table (instance_id text, epoch bigint)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
begin
    return query
    select i.id, i.epoch from df.instances i where i.owner = (select df.relay_name(p_incarnation));
end
$$;

-- Fails an instance that can never run: its graph is gone, damaged or not its submitter's. Locks it unless somebody
-- else has it locked. Returns false for one that is not to be failed by this relay any more, null for one that is locked.
create or replace function df.relay_fail(
    p_incarnation uuid, p_instance text, p_epoch bigint, p_error text, p_sqlstate text) returns boolean
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_fence text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
begin
    if v_fence <> 'ok' then
        return case when v_fence <> 'busy' then false end;
    end if;
    perform df.end_instance(p_instance, 'failed', null, p_error, p_sqlstate, 'root');
    return true;
end
$$;
