-- The fence and the record: how anything enters df.node_runs. Internal: callable by df_owner's own
-- functions only (df.step_record for a step, df.relay_record for everything else). Those pin the
-- search_path, and what they call runs under it: pinning it again in each function of a step costs as
-- much as the step's insert.

-- Whether this epoch and incarnation may write to an instance with these columns. p_login, where given,
-- must be the step login of the instance's role. A pause lets nothing begin: a step's transaction (only
-- those name a login) that began before it goes on; one that began after is undone, and made again at
-- the resume. Qualified instead of pinned, so that the server can put it in line. The owner is compared where no
-- index can serve: statistics from a quiet time promise that nothing is owned, and each step would then find its
-- instance by reading all that the relay owns.
create or replace function df.may_write(
    i_epoch bigint, i_owner uuid, i_ended_at timestamptz, i_paused_at timestamptz, i_submitted_by oid,
    p_epoch bigint, p_incarnation uuid, p_login name) returns boolean
    language sql stable
    as $$
    select i_epoch operator(pg_catalog.=) p_epoch
       and coalesce(i_owner operator(pg_catalog.=) df.relay_name(p_incarnation), false)
       and i_ended_at is null
       and (p_login is null
            or (p_login operator(pg_catalog.=) df.step_login_name(i_submitted_by)
                and (i_paused_at is null or i_paused_at operator(pg_catalog.>=) pg_catalog.now())))
$$;

-- Locks the instance row and says whether this epoch and incarnation may still write to it: 'ok',
-- 'busy' (skip locked), 'DF001' (stale), 'DF002' (ended), 'DF007' (paused, for a step). A cancel made by this very
-- transaction commits with it, so that reads as 'own-cancel'. A login that is not the step login of the
-- instance's role cannot tell whether the instance exists.
create or replace function df.fence(
    p_instance text, p_epoch bigint, p_incarnation uuid, p_exclusive boolean, p_skip_locked boolean,
    p_login name default null) returns text
    language plpgsql volatile
    as $$
declare
    v_inst record;
begin
    -- The lock mode is chosen once: upgrading it later would deadlock two branches.
    if p_skip_locked then
        select i.epoch, i.owner, i.ended_at, i.ending_xid, i.status, i.submitted_by,
               i.paused_at into v_inst
          from df.instances i where i.id = p_instance for no key update skip locked;
        if not found then
            if exists (select from df.instances i where i.id = p_instance) then
                return 'busy';
            end if;
        end if;
    elsif p_exclusive then
        select i.epoch, i.owner, i.ended_at, i.ending_xid, i.status, i.submitted_by,
               i.paused_at into v_inst
          from df.instances i where i.id = p_instance for no key update;
    else
        select i.epoch, i.owner, i.ended_at, i.ending_xid, i.status, i.submitted_by,
               i.paused_at into v_inst
          from df.instances i where i.id = p_instance for share;
    end if;
    -- One expression, since each that a transaction evaluates first costs as much as reading a row.
    return case
        when df.may_write(v_inst.epoch, v_inst.owner, v_inst.ended_at, v_inst.paused_at,
                          v_inst.submitted_by, p_epoch, p_incarnation, p_login) then 'ok'
        -- What a relay holds from before a restart or a failover may be ahead of this server: df.relay_name
        -- knows nobody of then. No incarnation is nobody's, though nobody's instance has no owner either.
        when not found or p_incarnation is null
            or p_login <> df.step_login_name(v_inst.submitted_by)
            or v_inst.epoch is distinct from p_epoch
            or v_inst.owner is distinct from df.relay_name(p_incarnation) then 'DF001'
        when v_inst.ended_at is null then 'DF007'
        when v_inst.status = 'cancelled' and v_inst.ending_xid = pg_current_xact_id() then 'own-cancel'
        else 'DF002' end;
end
$$;

-- Whether a run inside these races and loops has been decided against: another branch won, or the
-- loop's checkpoint has passed the iteration. Call it only in a statement after df.fence. One lookup by key
-- for each, whose plan is kept: a query over the arrays would be planned anew at each call, since what it costs
-- goes by how long they are, and that took ten times as long as the lookup.
create or replace function df.decided_against(p_instance text, p_within text[], p_turns integer[])
    returns boolean
    language plpgsql volatile
    as $$
begin
    for n in 1..coalesce(cardinality(p_within), 0) loop
        if exists (
            select from df.node_runs r
             where r.instance_id = p_instance and r.run_path = p_within[n]
               and ((r.status = 'decided' and r.turn <> p_turns[n])
                    or (r.status = 'checkpoint' and r.turn > p_turns[n]))) then
            return true;
        end if;
    end loop;
    return false;
end
$$;

-- Records that the given races are won by the branch the run stands in. `p_within`/`p_turns` hold
-- every race and loop around the run; `p_decides` names the races that this run's end decides.
create or replace function df.decide(
    p_instance text, p_epoch bigint, p_within text[], p_turns integer[], p_decides text[])
    returns void
    language plpgsql volatile
    as $$
begin
    insert into df.node_runs (instance_id, run_path, status, turn, epoch, ended_at)
    select p_instance, w.path, 'decided', w.turn, p_epoch, clock_timestamp()
      from unnest(p_within, p_turns) as w(path, turn)
     where w.path = any (p_decides)
    on conflict (instance_id, run_path) do nothing;
end
$$;

-- Ends an instance that the caller has locked exclusively.
create or replace function df.end_instance(
    p_instance text, p_status text, p_result json, p_error text, p_sqlstate text, p_path text)
    returns void
    language plpgsql volatile
    as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    update df.instances i
       set status = p_status,
           result = case when p_status = 'completed' then p_result end,
           error = case when p_status = 'failed' then p_error end,
           error_sqlstate = case when p_status = 'failed' then p_sqlstate end,
           error_path = case when p_status = 'failed' then p_path end,
           completed_at = case when p_status = 'completed' then v_now end,
           ended_at = v_now, updated_at = v_now, owner = null,
           ending_xid = pg_current_xact_id()
     where i.id = p_instance and i.ended_at is null;
end
$$;

-- Moves loops' checkpoints forward, which counts as an execution of the instance, and deletes what they have passed, but
-- for the rows that names still point at; signals that waits among them took go, too. The caller has locked the
-- instance exclusively.
-- p_checkpoints: [{"path", "turn", "names": {…}, "keep": [run path, …]}].
-- One range of the key at a time, and no bitmap: only a plain scan of an index marks what is dead in it, and a loop
-- would wade through all that it has left since the last VACUUM.
drop function if exists df.pass_turns(text, bigint, json);
create or replace function df.checkpoint(p_instance text, p_epoch bigint, p_checkpoints json)
    returns void
    language plpgsql volatile
    set enable_bitmapscan = off
    as $$
declare
    c        record;
    v_part   text;
    v_more   bigint;
    v_waits  bigint;
    v_events text[];
begin
    update df.instances i set executions = i.executions + 1 where i.id = p_instance;
    for c in select * from json_to_recordset(p_checkpoints)
                  as x(path text, turn integer, names json, keep text[]) loop
        insert into df.node_runs as r (instance_id, run_path, status, turn, epoch, detail)
        values (p_instance, c.path, 'checkpoint', c.turn, p_epoch, c.names)
        on conflict (instance_id, run_path) do update
            set turn = excluded.turn, detail = excluded.detail, epoch = excluded.epoch;
        v_waits := 0;
        foreach v_part in array array['.body', '.condition_node'] loop
            v_part := c.path || v_part;
            with gone as (
                delete from df.node_runs r
                 where r.instance_id = p_instance and r.run_path >= v_part || '[' and r.run_path < v_part || E'\\'
                   and split_part(substr(r.run_path, length(v_part) + 2), ']', 1)::integer < c.turn
                   and r.run_path <> all (coalesce(c.keep, '{}'))
                returning r.signal_name)
            select count(g.signal_name) into v_more from gone g;
            v_waits := v_waits + v_more;
        end loop;
        if v_waits > 0 then
            -- The events by the keys of what was taken: of signals that nobody has taken yet there may be very many.
            with taken as (
                delete from df.signals s
                 where s.instance_id = p_instance and s.consumed_at is not null and s.key like 'n/%'
                returning p_instance || '/signal/' || s.key as event_id)
            select array_agg(t.event_id) into v_events from taken t;
            delete from df.outbox o where o.event_id = any (v_events) and o.delivered_at is not null;
        end if;
    end loop;
end
$$;

-- The one way a run is recorded. Returns 'ok', 'exists' (the run path is recorded already),
-- 'busy', or the SQLSTATE of the refusal (DF001 stale, DF002 ended, DF003 decided against, DF007
-- paused before the step began).
--   p_within/p_turns  every race (own branch) and loop (own iteration) around the run
--   p_decides         races that this run's end decides
--   p_checkpoints     loops whose checkpoint travels with this run, or null
--   p_ends            'completed' or 'failed' when the run ends the instance
create or replace function df.record_run(
    p_instance text, p_epoch bigint, p_incarnation uuid, p_run_path text, p_status text,
    p_result json, p_error text, p_sqlstate text, p_attempt integer, p_turn integer,
    p_within text[], p_turns integer[], p_decides text[], p_checkpoints json, p_ends text,
    p_skip_locked boolean, p_login name default null) returns text
    language plpgsql volatile
    as $$
declare
    v_fence text := df.fence(p_instance, p_epoch, p_incarnation,
        p_ends is not null or p_checkpoints is not null or p_decides <> '{}', p_skip_locked, p_login);
begin
    if v_fence not in ('ok', 'own-cancel') then
        return v_fence;
    end if;
    -- In a statement of its own: what the lock waited for is seen by no older snapshot.
    if p_within <> '{}' and df.decided_against(p_instance, p_within, p_turns) then
        return 'DF003';
    end if;
    if p_status = 'intent' then
        -- An intent comes before its act, so here nothing has begun yet.
        if exists (select from df.instances i where i.id = p_instance and i.paused_at is not null) then
            return 'DF007';
        end if;
    end if;
    insert into df.node_runs (instance_id, run_path, status, result, error, sqlstate, attempt, turn,
                              epoch, ended_at)
    values (p_instance, p_run_path, p_status, p_result, p_error, p_sqlstate, p_attempt, p_turn,
            p_epoch, case when p_status <> 'intent' then clock_timestamp() end)
    on conflict (instance_id, run_path) do nothing;
    if not found then
        -- What pauses before its next attempt is a row that this attempt may replace, and no other.
        update df.node_runs r
           set status = p_status, result = p_result, error = p_error, sqlstate = p_sqlstate,
               attempt = p_attempt, turn = p_turn, epoch = p_epoch, due_at = null,
               ended_at = case when p_status <> 'intent' then clock_timestamp() end
         where r.instance_id = p_instance and r.run_path = p_run_path
           and (r.status = 'intent' or (r.status = 'waiting' and r.attempt < p_attempt));
        if not found then
            return 'exists';
        end if;
    end if;
    if p_decides <> '{}' then
        perform df.decide(p_instance, p_epoch, p_within, p_turns, p_decides);
    end if;
    if p_checkpoints is not null then
        perform df.checkpoint(p_instance, p_epoch, p_checkpoints);
    end if;
    if p_ends is not null and v_fence = 'ok' then
        perform df.end_instance(p_instance, p_ends, p_result, p_error, p_sqlstate, p_run_path);
    end if;
    return 'ok';
end
$$;
