-- What an operator does to an instance: retry, pause, resume, release. Each is one outbox row in the
-- caller's transaction, whose trigger applies it, so that every view says so from the next statement
-- on; it works while no relay runs. An instance's submitter may do it to their own, df_admin's
-- members and superusers to any. Each returns OK and is fit for a set:
--   SELECT df.retry(id) FROM df.instances WHERE status = 'failed' AND created_at > now() - interval '1 day';

-- Continues a failed instance from the node that failed, keeping what is recorded. One that has not
-- ended is left as it is. Errors: 55000 for a completed or cancelled one and for one without a graph, P0002
-- for one that the caller cannot see.
create or replace function df.retry(instance_id text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_status text := df.visible_status(retry.instance_id);
begin
    if v_status in ('completed', 'cancelled') then
        raise exception 'instance % is %: only a failed instance can be retried', retry.instance_id, v_status
            using errcode = '55000',
                  hint = format('Start it anew with df.start; SELECT df.explain(%L) shows its graph.', retry.instance_id);
    elsif v_status = 'failed' then
        perform df.tell(retry.instance_id, 'retry', null);
    end if;
    return 'OK';
end
$$;

-- Lets no further step of an instance start; a step in flight finishes. It reads running. An
-- instance that has ended is left as it is. Errors: P0002.
create or replace function df.pause(instance_id text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if df.visible_status(pause.instance_id) in ('pending', 'running') then
        perform df.tell(pause.instance_id, 'pause', null);
    end if;
    return 'OK';
end
$$;

-- Goes on with a paused instance; what came due meanwhile happens now. Errors: P0002.
create or replace function df.resume(instance_id text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if df.visible_status(resume.instance_id) in ('pending', 'running') then
        perform df.tell(resume.instance_id, 'resume', null);
    end if;
    return 'OK';
end
$$;

-- Has a parked event delivered again, its attempts counted anew. One that is not parked is left as
-- it is. Errors: P0002 for an event that the caller cannot see.
create or replace function df.release(event_id text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_event record;
begin
    select e.instance_id, e.state into v_event from df.parked_events e where e.event_id = release.event_id;
    if found then
        perform df.tell(v_event.instance_id, 'release', release.event_id);
    elsif not exists (select from df.outbox o where o.event_id = release.event_id) then
        raise exception 'Event not found or access denied: %', coalesce(release.event_id, 'NULL')
            using errcode = 'P0002', hint = 'SELECT * FROM df.parked_events lists what waits for a release.';
    end if;
    return 'OK';
end
$$;

-- Writes the event as the caller, whom row-level security holds to what they may see.
create or replace function df.tell(p_instance text, p_kind text, p_payload text) returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
    as $$
    insert into df.outbox (instance_id, kind, key, payload)
    values (p_instance, p_kind, nextval('df.signal_numbers')::text, p_payload)
$$;

-- Gives an event its id, puts it in the queue, and gives one that takes effect with the caller's commit a payload, by
-- which the trigger that applies it tells. The event of a start comes with its id (df.admit_instance) and needs none of it.
-- Errors: 55000 for one that would not be applied, since that trigger does not fire in a subscriber's triggers.
create or replace function df.name_event() returns trigger
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    new.event_id := new.instance_id || '/' || new.kind || coalesce('/' || new.key, '');
    if new.kind not in ('start', 'signal') then
        if current_setting('session_replication_role') = 'replica' then
            raise exception 'a % needs triggers that session_replication_role = replica sets aside', new.kind
                using errcode = '55000', hint = 'Before it, a superuser runs: SET LOCAL session_replication_role = origin;';
        end if;
        new.payload := coalesce(new.payload, '');
    end if;
    new.queued := new.kind <> 'start' and new.delivered_at is null;
    return new;
end
$$;

-- Puts an event back into the queue that is no longer delivered, or takes it out.
create or replace function df.queue_event() returns trigger
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    update df.outbox o set queued = new.delivered_at is null where o.event_id = new.event_id;
    return null;
end
$$;

-- Both triggers' conditions are looks at one column for null: a start pays for reading them. Always: a row that comes by
-- replication has its name, and one of a subscriber's trigger has none.
drop trigger if exists outbox_named on df.outbox;
create trigger outbox_named before insert on df.outbox
    for each row when (new.event_id is null) execute function df.name_event();
alter table df.outbox enable always trigger outbox_named;

-- A delivery says so itself; what does not is somebody's doing who has events delivered again. After the update: before
-- it the row would be locked by itself, also where the condition does not hold, as at every start's claim.
drop trigger if exists outbox_queued on df.outbox;
create trigger outbox_queued after update of delivered_at on df.outbox
    for each row when (new.queued = (new.delivered_at is not null) and new.kind <> 'start')
    execute function df.queue_event();

-- Applies what takes effect with the caller's commit: a cancel, and an operator's event. Fires for a
-- forged outbox row too, which is then no more than the call that its submitter could have made.
-- Locks the instance row.
create or replace function df.apply_event() returns trigger
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_inst record;
begin
    if new.kind in ('start', 'signal') then
        return null;
    elsif new.kind = 'cancel' then
        perform df.apply_cancel(new.instance_id, new.submitted_by, nullif(new.payload, ''));
        return null;
    end if;
    select i.id, i.status, i.owner, i.error_path, i.graph_id, i.submitted_by into v_inst
      from df.instances i
     where i.id = new.instance_id
       and (i.submitted_by = new.submitted_by or df.is_admin(new.submitted_by))
       for no key update;
    if not found then
        return null;
    end if;
    case new.kind
    when 'retry' then
        if v_inst.status = 'failed' then
            -- Written by hand; a relay failed it for that.
            if not exists (select from df.graphs g
                            where g.id = v_inst.graph_id and g.owner = v_inst.submitted_by) then
                raise exception 'instance % cannot be retried: its graph is not there, or not its submitter''s',
                    v_inst.id using errcode = '55000', hint = 'Start a workflow with df.start.';
            end if;
            perform df.undo_failure(v_inst.id, v_inst.graph_id, v_inst.error_path);
            update df.instances i
               set status = 'running', epoch = i.epoch + 1, owner = null, wake_at = df.clock(),
                   ended_at = null, ending_xid = null, error = null, error_sqlstate = null,
                   error_path = null, paused_at = null, updated_at = clock_timestamp()
             where i.id = v_inst.id;
            perform df.hand_inbox(v_inst.id);
        end if;
    when 'pause' then
        -- One that no relay has claimed yet reads running, too: its epoch of 0 still says so.
        update df.instances i
           set status = 'running', paused_at = clock_timestamp(), updated_at = clock_timestamp()
         where i.id = v_inst.id and i.ended_at is null and i.paused_at is null;
    when 'resume' then
        -- Not before now, where a scan of the queue may not start any more.
        update df.instances i set paused_at = null, wake_at = greatest(i.wake_at, df.clock()),
               updated_at = clock_timestamp()
         where i.id = v_inst.id and i.ended_at is null and i.paused_at is not null;
    when 'release' then
        update df.outbox o set parked_at = null, retry_at = null, attempts = 0
         where o.event_id = new.payload and o.instance_id = new.instance_id and o.delivered_at is null;
    end case;
    return null;
end
$$;

drop trigger if exists outbox_apply on df.outbox;
create trigger outbox_apply after insert on df.outbox
    for each row when (new.payload is not null) execute function df.apply_event();

-- Takes back what a failure left, so that a walk comes to the node that failed once more:
--   the failed run at p_path, and where JOINs surround it those of their other branches, since a
--   JOIN whose branches all ended would fail by the next of them; those below p_path as well, where
--   that is a node whose time was up;
--   the decisions of the RACEs around those runs that were decided by their failing;
--   the decisions and timers of nodes with a timeout around them: their time begins anew.
-- Everything else stays recorded and is not run again. The caller holds the instance's lock.
create or replace function df.undo_failure(p_instance text, p_graph_id bigint, p_path text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set jit = off
    as $$
declare
    v_join   text;
    v_failed text[];
    v_above  text[];
    v_joins  text[];
    v_races  text[];
begin
    select coalesce(array_agg(t.path) filter (where t.node_type = 'JOIN'), '{}'),
           coalesce(array_agg(t.path) filter (where t.node_type = 'RACE'), '{}') into v_joins, v_races
      from df.node_tree((select g.graph from df.graphs g where g.id = p_graph_id)) t;
    -- The outermost JOIN around the node, if any: everything that failed below it is tried again.
    select min(a.path collate "C") into v_join from df.paths_above(p_path) as a(path)
     where df.static_path(a.path) = any (v_joins) and a.path <> p_path;
    v_failed := array(
        select r.run_path from df.node_runs r
         where r.instance_id = p_instance and r.status = 'failed'
           and (r.run_path = p_path or starts_with(r.run_path, p_path || '.')
                or starts_with(r.run_path, v_join || '.')));
    if v_failed <> array[p_path] then
        -- But for those that nothing came of: a break had gone before them in their JOIN, or their race was lost to another.
        -- What surrounds them has ended otherwise, or is in a later iteration, and what follows may have run.
        -- By the paths above each: compared with every node, the thousands of a wide JOIN would take minutes.
        v_failed := array(
            with state as materialized (
                select s.path, s.run_path, s.status from df.node_states_of(p_instance, false) s),
            latest as materialized (
                select f.path, s.path as node from unnest(v_failed) as f(path) join state s on s.run_path = f.path),
            passed as materialized (
                select distinct l.path from latest l, df.paths_above(l.node) as a(path)
                  join state s on s.path = a.path and s.status = 'completed'
                 where a.path <> l.node)
            select p_path where p_path = any (v_failed)
            union
            select l.path from latest l left join passed p on p.path = l.path where p.path is null);
    end if;
    v_above := array(
        select distinct a.path from unnest(v_failed || p_path) as f(path), df.paths_above(f.path) as a(path));
    -- A RACE whose winning branch holds the failure, or a timeout above it (or of it).
    delete from df.node_runs r
     where r.instance_id = p_instance
       and ((r.status = 'decided'
             and r.run_path || case r.turn when 0 then '.left' else '.right' end in (select unnest(v_above))
             -- An IF on rows records its choice alike, and keeps it.
             and df.static_path(r.run_path) in (select unnest(v_races)))
         or r.run_path in (select v.path || t.suffix
                             from unnest(v_above) as v(path),
                                  (values ('.timeout'), ('.timeout.due')) as t(suffix)));
    -- A node whose time was up may have had a row of its own, of a loop or a decision.
    update df.node_runs r
       set status = r.detail -> 'was' ->> 'status', turn = (r.detail -> 'was' ->> 'turn')::integer,
           result = nullif((r.detail -> 'was' -> 'result')::text, 'null')::json,
           detail = nullif((r.detail -> 'was' -> 'detail')::text, 'null')::json,
           error = null, sqlstate = null,
           ended_at = case r.detail -> 'was' ->> 'status' when 'decided' then r.ended_at end
     where r.instance_id = p_instance and r.run_path = any (v_failed) and r.detail -> 'was' is not null;
    delete from df.node_runs r
     where r.instance_id = p_instance and r.run_path = any (v_failed) and r.status = 'failed';
end
$$;

-- Hands the signals of the inbox to the waits that are pending again: what was sent after a failure, or after a race was
-- decided that a retry has opened, was delivered while nobody could take it. The first of each name wakes all who wait
-- for it. The caller holds the instance's lock.
create or replace function df.hand_inbox(p_instance text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_pending text[] := df.pending_signals(p_instance);  -- Apart, or each signal would look at every wait.
    v_key     text;
begin
    for v_key in
        select f.key
          from (select distinct on (s.name) s.key, s.n from df.signals s
                 where s.instance_id = p_instance and s.consumed_at is null and s.name = any (v_pending)
                 order by s.name, s.n) f
         order by f.n
    loop
        perform df.hand_signal(p_instance, v_key);
    end loop;
end
$$;

-- A run path and those of everything around it: 'root', 'root.left', 'root.left.body[3]', …
create or replace function df.paths_above(p_path text) returns setof text
    language sql immutable
    set search_path = pg_catalog, pg_temp
    as $$
    select array_to_string((string_to_array(p_path, '.'))[1:n], '.')
      from generate_series(1, cardinality(string_to_array(p_path, '.'))) as n
$$;

drop function if exists df.is_race(bigint, text);  -- read the graph anew for each race
