-- Failed attempts that will be followed by another, and the timers of nodes with a timeout. Internal:
-- called by df.relay_record.

-- Records a failed attempt (p_error is given) and when the next one is due, or asks whether that
-- time has come (p_error is null). Locks the instance row. Returns 'waiting' while it has not come,
-- 'ok' when it has, 'exists' when the run has ended; a repeated call sees the first one's row.
create or replace function df.record_retry(
    p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_attempt integer,
    p_seconds double precision, p_error text, p_sqlstate text, p_within text[], p_turns integer[],
    p_checkpoints json) returns text
    language plpgsql volatile
    as $$
declare
    v_fence text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
    v_run   record;
begin
    if v_fence <> 'ok' then
        return v_fence;
    end if;
    if p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    if p_error is not null then
        insert into df.node_runs as r (instance_id, run_path, status, attempt, epoch, due_at, error, sqlstate)
        values (p_instance, p_path, 'waiting', p_attempt, p_epoch,
                df.clock() + make_interval(secs => p_seconds), p_error, p_sqlstate)
        on conflict (instance_id, run_path) do update
            set status = excluded.status, attempt = excluded.attempt, epoch = excluded.epoch,
                due_at = excluded.due_at, error = excluded.error, sqlstate = excluded.sqlstate
            where (r.status = 'intent' and r.attempt <= excluded.attempt)
               or (r.status = 'waiting' and r.attempt < excluded.attempt);
        if found and p_checkpoints is not null then
            perform df.checkpoint(p_instance, p_epoch, p_checkpoints);
        end if;
    end if;
    select r.status, r.due_at into v_run from df.node_runs r
     where r.instance_id = p_instance and r.run_path = p_path;
    if not found then
        return 'DF003';
    elsif v_run.status <> 'waiting' then
        return 'exists';
    end if;
    return case when v_run.due_at <= df.clock() then 'ok' else 'waiting' end;
end
$$;

-- The timer of the node at p_path stands at <path>.timeout.due; what it and the node compete for,
-- like the branches of a RACE, is the decision at <path>.timeout (0: the node ended first). When the
-- time is up the node gets a failed run of its own. What stood there of a construct (a LOOP's
-- checkpoint, a decision) is kept in detail, for df.retry.
-- Locks the instance row. Returns 'ok' when the time was up first, 'waiting' before, DF003 when the
-- node ended first.
create or replace function df.record_timer(
    p_instance text, p_epoch bigint, p_incarnation uuid, p_path text, p_seconds double precision,
    p_error text, p_within text[], p_turns integer[], p_decides text[], p_ends text) returns text
    language plpgsql volatile
    as $$
declare
    c_sqlstate constant text := '57014';
    v_fence    text := df.fence(p_instance, p_epoch, p_incarnation, true, true);
    v_timer    text := p_path || '.timeout.due';
    v_due      timestamptz;
begin
    if v_fence <> 'ok' then
        return v_fence;
    end if;
    if df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    insert into df.node_runs (instance_id, run_path, status, epoch, due_at)
    values (p_instance, v_timer, 'waiting', p_epoch, df.clock() + make_interval(secs => p_seconds))
    on conflict (instance_id, run_path) do nothing;
    select r.due_at into v_due from df.node_runs r
     where r.instance_id = p_instance and r.run_path = v_timer and r.status = 'waiting';
    if v_due > df.clock() then
        return 'waiting';
    elsif v_due is null then
        return 'ok';
    end if;
    perform df.end_wait(p_instance, v_timer, 'null');
    insert into df.node_runs as r (instance_id, run_path, status, epoch, ended_at, error, sqlstate)
    values (p_instance, p_path, 'failed', p_epoch, clock_timestamp(), p_error, c_sqlstate)
    on conflict (instance_id, run_path) do update
        set status = excluded.status, epoch = excluded.epoch, ended_at = excluded.ended_at,
            error = excluded.error, sqlstate = excluded.sqlstate, turn = null, result = null,
            detail = case when r.turn is not null then json_build_object('was', json_build_object(
                'status', r.status, 'turn', r.turn, 'result', r.result, 'detail', r.detail)) end;
    perform df.decide(p_instance, p_epoch, p_within, p_turns, p_decides);
    if p_ends is not null then
        perform df.end_instance(p_instance, p_ends, null, p_error, c_sqlstate, p_path);
    end if;
    return 'ok';
end
$$;
