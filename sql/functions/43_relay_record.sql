-- Everything a relay records that is not a SQL step: waits, requests, breaks, decisions, ends. One
-- transaction for a batch over many instances. Locks each instance row FOR NO KEY UPDATE SKIP
-- LOCKED in the given order; a busy one is reported and sent again. A retry of the same entry sees
-- the first one's row and answers with it.
--
-- p_entries: [{"op", "incarnation", "instance", "epoch", "path", "within", "turns", "decides", "ends", …}]
--   run     records path with status, result, error, sqlstate, attempt, turn
--   wait    begins a wait, or asks after one: signal, seconds or due, result (when the clock ends it)
--   retry   records a failed attempt and begins the pause before the next, or asks after one:
--           attempt, seconds, error, sqlstate
--   timer   begins the timer of a node with a timeout, or asks after it: seconds, error (what the
--           node at path fails with when its time is up)
--   look    reads what is recorded at path
--   settle  applies decides and ends of a construct that ends without a run of its own
-- Returns a row per entry: outcome ('ok', 'exists', 'busy', 'waiting', DF001…), and what is recorded.
create or replace function df.relay_record(p_entries json)
    returns table (idx integer, outcome text, status text, turn integer, remaining_seconds double precision,
                   result text, error text, sqlstate text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
    set plan_cache_mode = force_generic_plan
    as $$
#variable_conflict use_column
declare
    e record;
    r df.node_runs%rowtype;
begin
    for e in
        -- json_to_record would read JSON's null, which is a result, as no result.
        select x.ordinality::integer - 1 as idx, x.entry -> 'result' as result, y.*
          from json_array_elements(p_entries) with ordinality as x(entry, ordinality),
               json_to_record(x.entry) as y(op text, incarnation uuid, instance text, epoch bigint, path text,
                   status text, error text, sqlstate text, attempt integer, turn integer,
                   within text[], turns integer[], decides text[], checkpoints json, ends text,
                   signal text, seconds double precision, due timestamptz)
    loop
        idx := e.idx;
        status := null; turn := null; remaining_seconds := null;
        result := null; error := null; sqlstate := null;
        if e.op = 'run' then
            outcome := df.record_run(e.instance, e.epoch, e.incarnation, e.path, e.status, e.result,
                e.error, e.sqlstate, e.attempt, e.turn, e.within, e.turns, e.decides,
                e.checkpoints, e.ends, true);
        elsif e.op = 'wait' then
            outcome := df.record_wait(e.instance, e.epoch, e.incarnation, e.path, e.signal, e.seconds,
                e.due, e.result, e.within, e.turns, e.decides, e.checkpoints, e.ends);
        elsif e.op = 'retry' then
            outcome := df.record_retry(e.instance, e.epoch, e.incarnation, e.path, e.attempt, e.seconds,
                e.error, e.sqlstate, e.within, e.turns, e.checkpoints);
        elsif e.op = 'timer' then
            outcome := df.record_timer(e.instance, e.epoch, e.incarnation, e.path, e.seconds, e.error,
                e.within, e.turns, e.decides, e.ends);
        elsif e.op = 'look' then
            outcome := case when exists (select from df.node_runs n
                                          where n.instance_id = e.instance and n.run_path = e.path)
                            then 'exists' else 'DF003' end;
        else
            outcome := df.record_settle(e.instance, e.epoch, e.incarnation, e.result, e.error,
                e.sqlstate, e.path, e.within, e.turns, e.decides, e.ends);
        end if;
        if outcome in ('exists', 'waiting') or (outcome = 'ok' and e.op = 'wait') then
            select * into r from df.node_runs n
             where n.instance_id = e.instance
               and n.run_path = e.path || case when e.op = 'timer' then '.timeout.due' else '' end;
            status := r.status; turn := r.turn; error := r.error; sqlstate := r.sqlstate;
            result := r.result::text;
            remaining_seconds := extract(epoch from r.due_at - df.clock());
        end if;
        return next;
    end loop;
end
$$;

-- Begins a wait, or looks after one that has begun; a due one is ended here. Both look in the inbox first, under the
-- instance's lock. A signal that nobody has delivered yet was sent before this wait was reached, or before its timeout is
-- decided: it is for the waits that are pending, as if it had been delivered in time, and for one that begins only where
-- there is none. Returns 'ok' when it has ended, else 'waiting'.
create or replace function df.record_wait(
    p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_signal text,
    p_seconds double precision, p_due timestamptz, p_result json, p_within text[],
    p_turns integer[], p_decides text[], p_checkpoints json, p_ends text) returns text
    language plpgsql volatile
    as $$
declare
    v_fence  text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
    v_run    df.node_runs%rowtype;
    v_begins boolean;
    v_due    timestamptz;
    v_key    text;
    v_left   text;
    v_woken  boolean := false;
    v_result json;
begin
    if v_fence <> 'ok' then
        return v_fence;
    end if;
    if p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    select * into v_run from df.node_runs r where r.instance_id = p_instance and r.run_path = p_path;
    v_begins := not found;
    if p_signal is not null and (v_begins or (v_run.status = 'waiting' and v_run.due_at <= df.clock())) then
        for v_key in select s.key from df.signals s
                      where s.instance_id = p_instance and s.name = p_signal and s.consumed_at is null
                      order by s.n loop
            if df.hand_signal(p_instance, v_key) = '{}' then
                v_left := v_key;
                exit;
            end if;
            v_woken := true;
        end loop;
        if v_woken then
            select * into v_run from df.node_runs r where r.instance_id = p_instance and r.run_path = p_path;
            -- Another that was woken may have ended the instance, or decided against this wait.
            if v_begins or v_run.status = 'waiting' then
                v_fence := df.fence(p_instance, p_epoch, p_incarnation, true, true);
                if v_fence <> 'ok' then
                    return v_fence;
                elsif p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
                    return 'DF003';
                end if;
            end if;
        end if;
    end if;
    if v_begins then
        v_due := coalesce(p_due, df.clock() + make_interval(secs => p_seconds));
        insert into df.node_runs (instance_id, run_path, status, epoch, due_at, signal_name, detail)
        values (p_instance, p_path, 'waiting', p_epoch, v_due, p_signal,
                case when p_within <> '{}' or p_ends is not null then
                    json_build_object('within', p_within, 'turns', p_turns, 'decides', p_decides, 'ends', p_ends) end)
        returning * into v_run;
        if p_checkpoints is not null then
            perform df.checkpoint(p_instance, p_epoch, p_checkpoints);
        end if;
        if v_left is not null then
            update df.signals s set consumed_at = clock_timestamp(), consumed_by = p_path
             where s.instance_id = p_instance and s.key = v_left
            returning df.signal_result(s.name, s.data) into v_result;
            perform df.end_wait(p_instance, p_path, v_result);
            v_run.status := 'completed';
        end if;
    end if;
    if v_run.status = 'waiting' and v_run.due_at <= df.clock() then
        perform df.end_wait(p_instance, p_path, p_result);
        v_run.status := 'completed';
    end if;
    if v_run.status = 'waiting' then
        return 'waiting';
    end if;
    if p_decides <> '{}' then
        perform df.decide(p_instance, p_epoch, p_within, p_turns, p_decides);
    end if;
    if p_ends is not null then
        perform df.end_instance(p_instance, p_ends, r.result, r.error, r.sqlstate, p_path)
           from df.node_runs r where r.instance_id = p_instance and r.run_path = p_path;
    end if;
    return 'ok';
end
$$;

-- These two run under their callers' search_path.
create or replace function df.end_wait(p_instance text, p_path text, p_result json) returns void
    language plpgsql volatile
    as $$
begin
    update df.node_runs r set status = 'completed', result = p_result, ended_at = clock_timestamp()
     where r.instance_id = p_instance and r.run_path = p_path and r.status = 'waiting';
end
$$;

-- Stable as to_json is, or the server could not put it in line and would plan it at each call.
create or replace function df.signal_result(p_name text, p_data json) returns json
    language sql stable
    as $$
    select ('{"signal_name":' || to_json(p_name) || ',"timed_out":false,"data":'
            || coalesce(p_data::text, 'null') || '}')::json
$$;

-- Applies the decisions and the end that a construct's end implies.
create or replace function df.record_settle(
    p_instance text, p_epoch bigint, p_incarnation uuid, p_result json, p_error text,
    p_sqlstate text, p_path text, p_within text[], p_turns integer[], p_decides text[], p_ends text)
    returns text
    language plpgsql volatile
    as $$
declare
    v_fence text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
begin
    if v_fence <> 'ok' then
        return v_fence;
    end if;
    if p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    if p_decides <> '{}' then
        perform df.decide(p_instance, p_epoch, p_within, p_turns, p_decides);
    end if;
    if p_ends is not null then
        perform df.end_instance(p_instance, p_ends, p_result, p_error, p_sqlstate, p_path);
    end if;
    return 'ok';
end
$$;
