-- What a step connection calls, as the submitting role, before and after the user's statement.

-- Checks who this session is. Returns the transaction's id, which df.step_record compares: a COMMIT in
-- user SQL shows there. Every name is qualified instead of pinned. What the session is set to is not looked at:
-- it was set as the session began, no step can change what RESET ALL goes back to, and a session is
-- lent to the next step only after that.
-- Errors: DF006 when the session is not the step login of its current role.
create or replace function df.step_begin(p_instance text, p_epoch bigint, p_incarnation uuid)
    returns text
    language plpgsql volatile
    as $$
begin
    if session_user operator(pg_catalog.<>)
            df.step_login_name(pg_catalog.quote_ident(current_user)::pg_catalog.regrole) then
        raise exception 'session user % is not the step login of role %', session_user, current_user
            using errcode = 'DF006';
    end if;
    return pg_catalog.pg_current_xact_id()::pg_catalog.text;
end
$$;

-- Records a step in the step's own transaction, behind the fence. Errors: DF001 to DF004 and DF007 as the
-- fence says (DF001 for a session that is no step of this instance's role, too), 23505 when the run
-- path is recorded already. Maps session_user, never current_user. p_xid is the transaction that the relay began; a
-- COMMIT in user SQL shows there. p_lock_timeout, milliseconds, is how long it waits for the instance's row. What
-- there is none of is null: p_within, p_turns, p_decides, p_checkpoints, p_ends.
--
-- A first attempt that succeeds and decides nothing is one statement, which locks the instance's row as the fence does
-- and lets nothing through that df.may_write would not. df.record_run does the rest: failures, attempts that replace a
-- row, decisions, checkpoints, what began before a pause; and it says why not.
-- Everything is found by its key, whatever statistics say: a session that planned while the tables were short would
-- read all of a burst at each step. (Without the coalesce() it may be found by its owner, of which there are many.)
drop function if exists df.step_record(
    text, bigint, uuid, text, text, text, text, text, text, integer, text[], integer[], text[], text, text, text);
create or replace function df.step_record(
    p_instance text, p_epoch bigint, p_incarnation uuid, p_xid xid8, p_run_path text, p_status text,
    p_result text, p_error text, p_sqlstate text, p_attempt integer, p_within text[],
    p_turns integer[], p_decides text[], p_checkpoints text, p_ends text,
    p_lock_timeout text default null) returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    as $$
declare
    v_outcome text;
    v_now     timestamptz;
begin
    -- One expression, as in the fence. What is not so goes the general way below, where df.prepare_record refuses it or
    -- sets what is missing.
    if p_status = 'completed' and p_attempt = 1 and p_xid = pg_current_xact_id()
       and p_decides is null and p_checkpoints is null
       and octet_length(p_run_path) <= 8192 and octet_length(p_result) <= 1048576
       and current_setting('synchronous_commit') in ('on', 'remote_apply')
       and set_config('lock_timeout', p_lock_timeout, true) is not null then
        if p_ends is null then
            insert into df.node_runs (instance_id, run_path, status, result, attempt, epoch, ended_at)
            select p_instance, p_run_path, 'completed', p_result::json, p_attempt, p_epoch, clock_timestamp()
              from df.instances i
             where i.id = p_instance and i.epoch = p_epoch and coalesce(i.owner = df.relay_name(p_incarnation), false)
               and i.ended_at is null and i.paused_at is null and session_user = df.step_login_name(i.submitted_by)
               for share;
        else
            v_now := clock_timestamp();
            with ended as (
                update df.instances i
                   set status = 'completed', result = p_result::json, owner = null, ending_xid = pg_current_xact_id(),
                       completed_at = v_now, ended_at = v_now, updated_at = v_now
                 where i.id = p_instance and i.epoch = p_epoch and coalesce(i.owner = df.relay_name(p_incarnation), false)
                   and i.ended_at is null and i.paused_at is null and session_user = df.step_login_name(i.submitted_by)
             returning i.result)
            insert into df.node_runs (instance_id, run_path, status, result, attempt, epoch, ended_at)
            select p_instance, p_run_path, 'completed', e.result, p_attempt, p_epoch, v_now
              from ended e;
        end if;
        if found and p_within is null then
            return;
        elsif found then
            if df.decided_against(p_instance, p_within, p_turns) then
                perform df.raise_refusal('DF003', p_instance, p_run_path);
            end if;
            return;
        end if;
    else
        perform df.prepare_record(p_xid, p_run_path, p_status, p_result, p_checkpoints, p_lock_timeout);
    end if;
    v_outcome := df.record_run(p_instance, p_epoch, p_incarnation, p_run_path, p_status,
        p_result::json, left(p_error, 100000), left(p_sqlstate, 5), p_attempt, null, p_within, p_turns, p_decides,
        p_checkpoints::json, p_ends, false, session_user);
    if v_outcome <> 'ok' then
        perform df.raise_refusal(v_outcome, p_instance, p_run_path);
    end if;
end
$$;

-- What df.step_record asks of its transaction and of what it records: refuses, or sets what is missing.
drop function if exists df.prepare_record(text, text, text, text, text, text);
create or replace function df.prepare_record(
    p_xid xid8, p_run_path text, p_status text, p_result text, p_checkpoints text, p_lock_timeout text)
    returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if pg_current_xact_id() is distinct from p_xid then
        raise exception 'transaction control in a step: the statement ended its transaction'
            using errcode = 'DF004';
    end if;
    -- The statement may have turned it down; the effect and its record are as durable as each other.
    if current_setting('synchronous_commit') not in ('on', 'remote_apply') then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    -- A step can call this by itself: what it records must not fill whoever reads it.
    if p_status not in ('completed', 'failed') or p_run_path is null then
        raise exception 'a step is recorded as completed or failed' using errcode = '22023';
    elsif octet_length(p_run_path) > 8192 or octet_length(p_checkpoints) > 16777216
       or (octet_length(p_result) > 1048576
           and octet_length(p_result) > df.setting('max_result_bytes')::bigint) then
        raise exception 'what is recorded is larger than the max_result_bytes setting of %',
            df.setting('max_result_bytes') using errcode = '54000';
    end if;
    if p_lock_timeout is not null then
        perform set_config('lock_timeout', p_lock_timeout, true);
    end if;
end
$$;

-- The refusals of df.record_run as errors.
create or replace function df.raise_refusal(p_outcome text, p_instance text, p_run_path text)
    returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    case p_outcome
        when 'exists' then
            raise exception 'run % of instance % is recorded already', p_run_path, p_instance
                using errcode = '23505';
        when 'DF001' then
            raise exception 'instance % is not owned by this relay and epoch', p_instance
                using errcode = 'DF001';
        when 'DF002' then
            raise exception 'instance % has ended', p_instance using errcode = 'DF002';
        when 'DF003' then
            raise exception 'run % of instance % was decided against', p_run_path, p_instance
                using errcode = 'DF003';
        when 'DF007' then
            raise exception 'instance % was paused before this step began', p_instance
                using errcode = 'DF007';
        else
            raise exception 'run % of instance %: %', p_run_path, p_instance, p_outcome
                using errcode = 'XX000';
    end case;
end
$$;
